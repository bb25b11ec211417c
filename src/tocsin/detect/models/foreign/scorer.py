"""Scorer: calls an object of somebody else's, sample by sample, and believes nothing it says."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.models.foreign.names import Named
from tocsin.errors import ConfigurationError, ModelError, StateError

__all__ = ["LARGEST", "Scorer", "highest", "raw_scores", "restored"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Call = Callable[[int, float], Any]

#: Sums of larger raw scores would overflow.
LARGEST: Final = 1e290
#: Letters of an error's text that are kept.
_TOLD: Final = 300


def highest(likelihood: str) -> float:
    """The largest raw score that a likelihood takes: the Gaussian one is made for [0, 1]."""
    return 1.0 if likelihood == "gaussian" else LARGEST


def raw_scores(score: Callable[[Ints, Floats], Floats], timestamp: Ints, watched: Floats) -> Floats:
    """Raw scores by ``score`` of what is watched; not-a-number where there is nothing (yet).

    That can only be so at the beginning: a counter's first sample has no rate. Errors: what
    ``score`` raises; a `ModelError` counts all samples.
    """
    first = int(np.count_nonzero(np.isnan(watched)))
    unknown = np.full(first, np.nan)
    if first == len(watched):
        return unknown
    try:
        return np.concatenate([unknown, score(timestamp[first:], watched[first:])])
    except ModelError as error:
        error.row += first
        if error.raw is not None:
            error.raw = np.concatenate([unknown, error.raw])
        raise


class Scorer:
    """An object with ``score_one`` and ``learn_one``, whose arguments are given by their names.

    =============  ===============================================================
    ``value``      the sample's value, a float; a counter's rate per second
    ``timestamp``  its time, an int: nanoseconds since 1970, UTC
    ``x``          ``{"value": value}``, as River's models take it
    ``y``          the value; ``x`` is None then, as River's supervised models take it
    =============  ===============================================================

    Others must have defaults. ``score_one`` is called first and gives a finite number >= 0 (0
    while it has nothing to say; at most 1 with the ``gaussian`` likelihood). Chance must be
    seeded: the same samples must give the same scores. If the object has ``to_bytes``, and its
    class ``from_bytes``, its state is saved with the metric's; else it is learnt anew from the
    stored samples after a restart.
    """

    def __init__(self, model: object, *, most: float = LARGEST) -> None:
        """``most``: the largest raw score allowed. Errors: `ConfigurationError`."""
        self._model = model
        self._most = most
        self._score = _call(model, "score_one")
        self._learn = _call(model, "learn_one")

    @classmethod
    def make(cls, name: str, state: bytes | None = None, *, most: float = LARGEST) -> Scorer:
        """Import and make what is named, or restore it from ``state``.

        Runs code of somebody else's. Errors: `ModelError` (``model_missing``), `StateError`.
        """
        named = Named.of(name)
        model = named.make() if state is None else restored(named.find(), state)
        try:
            return cls(model, most=most)
        except ConfigurationError as error:
            raise ModelError(str(error), reason="model_missing") from error

    def raw(self, timestamps: Ints, values: Floats) -> Floats:
        """Score each sample (times in ns, UTC), then learn it; returns the raw scores.

        Errors: `ModelError` (``model_raised``) for what the object raises and for a score that is
        none; its ``row`` says at which sample, its ``raw`` holds the scores before that one. The
        object may have learnt half of a sample then.
        """
        found = np.empty(len(values))
        row = 0
        try:
            for timestamp, value in zip(timestamps.tolist(), values.tolist(), strict=True):
                found[row] = self._checked(self._score(timestamp, value))
                self._learn(timestamp, value)
                row += 1
        except (Exception, SystemExit) as error:
            where = f"at the sample {float(values[row])!r} (time {timestamps[row]})"
            raise ModelError(
                f"{_told(error)} {where}", reason="model_raised", row=row, raw=found[:row]
            ) from error
        return found

    def to_bytes(self) -> bytes | None:
        """The object's state; None when it cannot give it, or nothing could restore it."""
        save = getattr(self._model, "to_bytes", None)
        if not callable(save) or not callable(getattr(type(self._model), "from_bytes", None)):
            return None
        state = save()
        return bytes(state) if isinstance(state, bytes | bytearray) else None

    def _checked(self, score: Any) -> float:
        number = float(score)
        if not 0.0 <= number <= self._most:
            raise _BadScoreError(
                f"gave the score {number!r}: must be from 0 to {self._most:g}"
                + (" with the gaussian likelihood" if self._most == 1.0 else "")
            )
        return number


def restored(kind: Any, state: bytes) -> Any:
    """An object of a class from the bytes of its ``to_bytes``. Errors: `StateError`."""
    load = getattr(kind, "from_bytes", None)
    if not callable(load):
        raise StateError(f"{getattr(kind, '__name__', kind)} has no from_bytes: learn anew")
    try:
        return load(state)
    except Exception as error:
        raise StateError(f"this state cannot be used: {_told(error)}") from error


class _BadScoreError(ValueError):
    """What the object returned is no raw score."""


def _call(model: object, name: str) -> Call:
    """A method as a function of time and value. Errors: `ConfigurationError`."""
    method: Any = getattr(model, name, None)
    if not callable(method):
        raise ConfigurationError(
            f"{type(model).__name__} is no model: it has no {name} (score_one and learn_one)"
        )
    try:
        parameters = signature(method).parameters
    except (TypeError, ValueError):  # written in C, without a signature
        return lambda timestamp, value: method({"value": value})
    asked = tuple(one.name for one in parameters.values() if _is_asked(one))
    if unknown := set(asked) - {"value", "timestamp", "x", "y"}:
        raise ConfigurationError(
            f"{type(model).__name__}.{name} has parameters that nobody gives "
            f"({', '.join(sorted(unknown))}): known are value, timestamp, x, y"
        )
    return _by_name(method, asked)


def _by_name(method: Callable[..., Any], asked: tuple[str, ...]) -> Call:
    if asked == ("x",):
        return lambda timestamp, value: method({"value": value})
    if asked == ("value",):
        return lambda timestamp, value: method(value)

    def call(timestamp: int, value: float) -> Any:
        x = None if "y" in asked else {"value": value}
        given = {"value": value, "timestamp": timestamp, "x": x, "y": value}
        return method(**{name: given[name] for name in asked})

    return call


def _is_asked(parameter: Parameter) -> bool:
    """Whether an argument is to be given: it has no default, or is surely meant."""
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        return False
    return parameter.default is Parameter.empty or parameter.name in ("value", "timestamp")


def _told(error: BaseException) -> str:
    """What an error says, in one short line, whatever its ``__str__`` does."""
    if isinstance(error, _BadScoreError):
        return str(error)
    try:
        said = str(error)
    except Exception:
        said = "(its text cannot be shown)"
    return " ".join(f"raised {type(error).__name__}: {said}".split())[:_TOLD]
