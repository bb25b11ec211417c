"""Where the parts of a time stand in a cell, known from the cell's shape alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tocsin.errors import TimestampError
from tocsin.ingest.files.shapes import shape_of

__all__ = ["Layout", "Layouts", "any_layout", "iso_layout", "pattern_layouts"]

_CLOCK: Final = r"(?P<H>00?):(?P<M>00)(?::(?P<S>00)(?:[.,](?P<f>0{1,9}))?)?(?: ?(?P<p>AA)(?!A))?"
_CLOCK_12: Final = r"(?P<H>00?) ?(?P<p>AA)(?!A)"
_TIGHT: Final = r"(?P<H>00)(?P<M>00)(?P<S>00)(?:[.,](?P<f>0{1,9}))?"
_ZONE: Final = r"(?: ?(?P<z>A|AAA|[-+]00(?::?00)?))?"
_JOINT: Final = r"(?P<T>A| +|, )"
_WEEKDAY: Final = r"(?:(?P<a>A{3,9}),? )?"

_ISO_DATE: Final = r"(?P<Y>0000)-(?P<m>00)-(?P<d>00)"
_COMPACT: Final = r"(?P<Y>0000)(?P<m>00)(?P<d>00)"
#: Kind of date → its shape. n1, n2, n3 are numbers whose order the column has to decide.
_DATES: Final = {
    "year-month-day": r"(?P<Y>0000)-(?P<m>00?)-(?P<d>00?)",
    "year/month/day": r"(?P<Y>0000)/(?P<m>00?)/(?P<d>00?)",
    "year.month.day": r"(?P<Y>0000)\.(?P<m>00?)\.(?P<d>00?)",
    **{
        f"n{sign}n{sign}{year}": (
            rf"(?P<n1>00?){re.escape(sign)}(?P<n2>00?){re.escape(sign)}(?P<n3>{year})"
        )
        for sign in "/.-"
        for year in ("0000", "00")
    },
    "day month-name year": _WEEKDAY + r"(?P<d>00?)(?P<s>[- /])(?P<B>A{3,9})(?P=s)(?P<Y>0000)",
    "month-name day year": _WEEKDAY + r"(?P<B>A{3,9}) (?P<d>00?),? (?P<Y>0000)",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the cells of one shape are to be read.

    ``family`` (kind of date, clock, zone) is what must not change within a column. ``spans``
    gives the bytes of each part: Y or y, m or B, d (or n1, n2, n3: order not known), H, M, S, f,
    p (AM/PM), z (zone), a (weekday), T (what joins date and clock); ``literals`` letters and
    digits that must stand where they stand.
    """

    family: tuple[str, str, str]
    spans: dict[str, tuple[int, int]]
    literals: tuple[tuple[int, int], ...] = ()

    @property
    def aware(self) -> bool:
        """Whether the cells say their zone."""
        return "z" in self.spans

    @property
    def open_order(self) -> bool:
        """Whether it takes the column to tell day, month and year apart."""
        return "n1" in self.spans


#: Finds the layout of a shape; None when the shape is no time.
Layouts = Callable[[str], Layout | None]


def _compiled(dates: dict[str, str]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    tails = [rf"(?:{_JOINT}{_CLOCK}{_ZONE})?", rf"{_JOINT}{_CLOCK_12}{_ZONE}"]
    return tuple((name, re.compile(date + tail)) for name, date in dates.items() for tail in tails)


_TIGHT_FORMS: Final = (("yearmonthday", re.compile(rf"{_COMPACT}(?:(?P<T>A)?{_TIGHT}{_ZONE})?")),)
_ISO_FORMS: Final = (*_compiled({"year-month-day": _ISO_DATE}), *_TIGHT_FORMS)
_LOG_FORM: Final = (
    "day month-name year",
    re.compile(rf"(?P<d>00?)/(?P<B>AAA)/(?P<Y>0000)(?P<T>:){_CLOCK}{_ZONE}"),
)
_ALL_FORMS: Final = (*_compiled(_DATES), *_TIGHT_FORMS, _LOG_FORM)


@lru_cache(maxsize=4096)
def any_layout(shape: str) -> Layout | None:
    """The layout of a shape that is a usual form of time."""
    return _first_match(_ALL_FORMS, shape)


@lru_cache(maxsize=4096)
def iso_layout(shape: str) -> Layout | None:
    """The layout of a shape that is ISO 8601 (a space may stand for the T)."""
    return _first_match(_ISO_FORMS, shape)


def _first_match(forms: tuple[tuple[str, re.Pattern[str]], ...], shape: str) -> Layout | None:
    for date, form in forms:
        found = form.fullmatch(shape)
        if found:
            spans = _spans(found)
            return Layout((date, _clock_of(spans), _zone_of(spans)), spans)
    return None


def _spans(found: re.Match[str]) -> dict[str, tuple[int, int]]:
    return {name: found.span(name) for name in found.groupdict() if found.start(name) >= 0}


def _clock_of(spans: dict[str, tuple[int, int]]) -> str:
    if "H" not in spans:
        return ""
    return "12-hour clock" if "p" in spans else "clock"


def _zone_of(spans: dict[str, tuple[int, int]]) -> str:
    return "zone" if "z" in spans else ""


#: strptime directive → (name of the part, shape, shape when digits touch it).
_DIRECTIVES: Final = {
    "Y": ("Y", "0000", "0000"),
    "y": ("y", "00", "00"),
    "m": ("m", "00?", "00"),
    "d": ("d", "00?", "00"),
    "H": ("H", "00?", "00"),
    "I": ("H", "00?", "00"),
    "M": ("M", "00?", "00"),
    "S": ("S", "00?", "00"),
    "f": ("f", "0{1,9}", "0{1,9}"),
    "b": ("B", "AAA", "AAA"),
    "B": ("B", "A{3,9}", "A{3,9}"),
    "a": ("a", "AAA", "AAA"),
    "A": ("a", "A{6,9}", "A{6,9}"),
    "p": ("p", "AA", "AA"),
    "z": ("z", "(?:A|[-+]00(?::?00)?)", "(?:A|[-+]00(?::?00)?)"),
    "Z": ("z", "AAA", "AAA"),
}
_DIGITS: Final = frozenset("YymdHIMSf")
_TOKEN: Final = re.compile(rb"%(.)|(\s+)|(.)", re.DOTALL)


def pattern_layouts(pattern: str) -> Layouts | None:
    """The layouts of a strptime pattern; None when it uses directives that only Python reads.

    A plain ``Z`` that ends the pattern means UTC. Errors: `TimestampError` when year, month or
    day are missing, or a directive comes twice.
    """
    tokens = _tokens(pattern)
    if any(kind == "%" and text not in _DIRECTIVES for kind, text in tokens):
        return None
    parts = [_DIRECTIVES[text][0] for kind, text in tokens if kind == "%"]
    _check_parts(pattern, parts)
    form, literals = _form(tokens)
    family = (pattern, "", "zone" if "z" in parts else "")

    @lru_cache(maxsize=4096)
    def find(shape: str) -> Layout | None:
        found = form.fullmatch(shape)
        if not found:
            return None
        spans = _spans(found)
        fixed = tuple((spans.pop(name)[0], byte) for name, byte in literals.items())
        return Layout(family, spans, fixed)

    return find


def _tokens(pattern: str) -> list[tuple[str, str]]:
    """Directives ("%"), white space (" ") and literals ("."), one byte each, in order."""
    tokens: list[tuple[str, str]] = []
    for directive, space, literal in _TOKEN.findall(pattern.strip().encode()):
        if directive and directive != b"%":
            tokens.append(("%", directive.decode("latin-1")))
        elif space:
            tokens.append((" ", " "))
        else:
            tokens.append((".", (literal or directive).decode("latin-1")))
    if len(tokens) > 1 and tokens[-1] == (".", "Z") and tokens[-2][0] == "%":
        tokens[-1] = ("%", "z")
    return tokens


def _check_parts(pattern: str, parts: list[str]) -> None:
    twice = sorted({part for part in parts if parts.count(part) > 1})
    missing = [name for name, of in (("year", "Yy"), ("month", "mB"), ("day", "d"))
               if not set(of) & set(parts)]  # fmt: skip
    if missing:
        raise TimestampError(f"--time-format {pattern!r} holds no {' and no '.join(missing)}")
    if twice or {"Y", "y"} <= set(parts) or {"m", "B"} <= set(parts):
        raise TimestampError(f"--time-format {pattern!r} holds a part of the time twice")
    if ("p" in parts) != ("%I" in pattern):
        raise TimestampError(f"--time-format {pattern!r}: %I and %p go together")


def _form(tokens: list[tuple[str, str]]) -> tuple[re.Pattern[str], dict[str, int]]:
    form, literals = "", {}
    for position, (kind, text) in enumerate(tokens):
        if kind == "%":
            name, loose, tight = _DIRECTIVES[text]
            form += f"(?P<{name}>{tight if _touched(tokens, position) else loose})"
        elif kind == " ":
            form += " +"
        else:
            name = f"x{position}"
            literals[name] = ord(text.lower() if text.isascii() else text)
            form += f"(?P<{name}>{re.escape(shape_of(text.encode('latin-1')))})"
    return re.compile(form), literals


def _touched(tokens: list[tuple[str, str]], position: int) -> bool:
    around = [*tokens[max(0, position - 1) : position], *tokens[position + 1 : position + 2]]
    return any(text.isdigit() if kind == "." else text in _DIGITS for kind, text in around
               if kind != " ")  # fmt: skip
