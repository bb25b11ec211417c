"""What an archive's JSON files hold, with everything that they may be."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

__all__ = ["FORMAT", "VERSION", "EventRow", "File", "Identity", "Manifest", "NoteRow", "Point"]

FORMAT: Final = "tocsin-metric"
#: Version of the format; a newer one is refused.
VERSION: Final = 2

#: Within what databases keep, and positive.
Count = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
#: No zero bytes, which not every database keeps.
Words = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*\Z", max_length=100_000)]


class Identity(msgspec.Struct, kw_only=True):
    """Which metric it was."""

    name: str
    labels: dict[str, str]
    uid: str
    generation: int
    created: Count


class Point(msgspec.Struct, kw_only=True):
    """How far the metric was, as columns of the table `metric`."""

    status: Literal["unmonitored", "warming_up", "active", "paused", "error"]
    reason: Words | None
    detail: Words | None
    deadline: Count | None
    failures: Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
    last_seq: Count
    scored_seq: Count
    learns_after: Count


class File(msgspec.Struct):
    """A file of the archive, as it must be."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, kw_only=True):
    """What an archive says about itself."""

    metric: Identity
    point: Point
    #: What was chosen for this metric alone.
    own: dict[str, Any]
    #: Everything it was watched with, and the hash of it that guards the state.
    settings: dict[str, Any]
    settings_hash: Words
    made: str
    by: str
    samples: int = 0
    #: The state is the one after this sample; None: there is none.
    state_seq: int | None = None
    format: str = FORMAT
    version: int = VERSION
    files: dict[str, File] = {}


class EventRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A row of the table `event` but for ``metric``; the id is given anew."""

    id: int
    start: Count
    peak: Count
    end: Count
    open: bool
    value: float
    expected: float | None
    lower: float | None
    upper: float | None
    anomaly_score: float | None
    likelihood: float | None
    samples: Count
    pattern: Words | None = None
    why: Words | None = None
    views: Words | None = None
    muted: Words | None = None
    because: Words | None = None


class NoteRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A row of the table `annotation` but for ``metric``; the id is given anew."""

    id: int
    #: An event's id, as in this archive.
    event: int | None
    start: Count
    end: Count
    kind: Literal["note", "anomaly", "not_anomaly", "known_change"]
    text: Words
    author: Words
    created: Count
    signature: Words | None = None
    since_seq: Count | None = None
    until_seq: Count | None = None
