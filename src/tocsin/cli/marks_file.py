"""The file of ``tocsin scan --marks``: what is (not) an anomaly, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from tocsin.detect.marks import Wish
from tocsin.errors import BadInputError, FileFormatError
from tocsin.ingest.moments import moment_ns

__all__ = ["Marks"]


class _Said(msgspec.Struct):
    """One mark; other keys, such as those that the API tells, are passed over."""

    kind: Literal["anomaly", "not_anomaly", "known_change"]
    start: str | int | float
    end: str | int | float
    same_hour: bool = False
    #: ``name{key="value"}``; left out: every metric.
    name: str | None = None


class _Whole(msgspec.Struct):
    """What ``GET /api/v1/metrics/{uid}/marks`` answers."""

    marks: list[_Said]


@dataclass(frozen=True, slots=True)
class Marks:
    """Marks by the metric that they are about."""

    said: Sequence[tuple[str | None, Wish]] = ()

    @classmethod
    def read(cls, path: Path) -> Marks:
        """From a file: a list of marks, or ``{"marks": [...]}``. Errors: `FileFormatError`."""
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_Whole | list[_Said])
            marks = found.marks if isinstance(found, _Whole) else found
            return cls([(one.name, _wish(one)) for one in marks])
        except OSError as error:
            raise FileFormatError(f"{path}: cannot be read: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, BadInputError) as error:
            raise FileFormatError(f"{path}: not a file of marks: {error}") from error

    def of(self, metric: str) -> list[Wish]:
        """The marks of a metric, by its ``name{key="value"}``."""
        return [wish for name, wish in self.said if name in (None, metric)]


def _wish(said: _Said) -> Wish:
    start, end = moment_ns(str(said.start)), moment_ns(str(said.end))
    if end < start:
        raise BadInputError(f"end {said.end} is before start {said.start}")
    return Wish(said.kind, start, end, said.same_hour)
