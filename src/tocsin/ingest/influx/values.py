"""What a field's value may be."""

from __future__ import annotations

import re
from typing import Final

from tocsin.engine.batch import Reason

__all__ = ["BadFieldError", "number"]

#: No number needs more characters.
_LONGEST: Final = 1_000
_FLOAT: Final = re.compile(rb"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?").fullmatch
_INTEGER: Final = re.compile(rb"[-+]?[0-9]{1,25}").fullmatch
_SIGNED: Final = range(-(2**63), 2**63)
_UNSIGNED: Final = range(2**64)
#: Booleans, and what is not finite: the engine refuses it, and counts it under its metric.
_WORDS: Final[dict[bytes, float]] = {
    **dict.fromkeys((b"t", b"T", b"true", b"True", b"TRUE"), 1.0),
    **dict.fromkeys((b"f", b"F", b"false", b"False", b"FALSE"), 0.0),
    **dict.fromkeys((b"nan", b"NaN", b"NAN"), float("nan")),
    **dict.fromkeys((b"inf", b"+inf", b"Inf", b"+Inf"), float("inf")),
    **dict.fromkeys((b"-inf", b"-Inf"), float("-inf")),
}


class BadFieldError(Exception):
    """A field that holds no number; a string is well formed, but nothing to watch."""

    def __init__(self, code: Reason, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def number(text: bytes) -> float:
    """A field's value: a float, an integer (``1i``, ``1u``), or a boolean as 1 or 0.

    Integers beyond 2^53 become the nearest float64. Errors: `BadFieldError`.
    """
    if len(text) <= _LONGEST:
        if _FLOAT(text):
            return float(text)
        last = text[-1:]
        if last == b"i":
            return _integer(text, _SIGNED)
        if last == b"u":
            return _integer(text, _UNSIGNED)
        word = _WORDS.get(text)
        if word is not None:
            return word
    if text.startswith(b'"'):
        raise BadFieldError(Reason.NOT_NUMERIC, "is a string")
    raise BadFieldError(Reason.BAD_TYPE, "is no number, boolean or quoted string")


def _integer(text: bytes, allowed: range) -> float:
    digits = text[:-1]
    if not _INTEGER(digits):
        raise BadFieldError(Reason.BAD_TYPE, "is no integer")
    whole = int(digits)
    if whole not in allowed:
        raise BadFieldError(Reason.BAD_TYPE, "is beyond 64 bits")
    return float(whole)
