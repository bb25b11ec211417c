"""What people say about a stretch of a metric's time: notes and labels."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from litestar import delete, get, patch, post
from litestar.exceptions import NotFoundException
from litestar.params import BodyKwarg, FromPath
from msgspec import UNSET, UnsetType

from tocsin.api.control import done
from tocsin.api.parts import Parts
from tocsin.api.query import Cursor, Limit, Moment, cursor_numbers, moment_of, stored_metric
from tocsin.errors import ActionRefusedError, BadInputError
from tocsin.samples import iso
from tocsin.store.annotations import Annotations

__all__ = [
    "add_annotation",
    "change_annotation",
    "list_annotations",
    "remove_annotation",
    "stretch",
]

T = TypeVar("T")

#: The largest number that a database keeps.
_LARGEST: Final = 2**63 - 1

Kind = Literal["note", "anomaly", "not_anomaly", "known_change"]
Words = Annotated[str, msgspec.Meta(max_length=10_000, pattern=r"^[^\x00]*\Z")]
#: A time as `moment_of` reads it.
When = str | int | float


class AnnotationIn(msgspec.Struct, forbid_unknown_fields=True):
    """Something said about start … end (epoch seconds, or ISO 8601 with zone)."""

    start: When
    end: When
    kind: Kind = "note"
    text: Words = ""
    author: Words = ""
    #: The event that it is about.
    event: Annotated[int, msgspec.Meta(ge=1, lt=2**62)] | None = None

    def columns(self) -> dict[str, Any]:
        """Columns of the table `annotation`. Errors: `BadInputError`."""
        told = {"kind": self.kind, "text": self.text, "author": self.author, "event": self.event}
        return told | stretch(self.start, self.end)


class AnnotationPatch(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be said instead; left out: as it is."""

    kind: Kind | UnsetType = UNSET
    text: Words | UnsetType = UNSET
    author: Words | UnsetType = UNSET


class AnnotationOut(msgspec.Struct):
    """Something said about a stretch of a metric's time."""

    id: int
    start: str
    end: str
    kind: str
    text: str
    author: str
    event: int | None
    created: str
    #: Whether it changes what is alarmed on (see marks).
    acts: bool

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> AnnotationOut:
        """From a row of the table `annotation`."""
        return cls(
            id=row["id"],
            start=iso(row["start"]),
            end=iso(row["end"]),
            kind=row["kind"],
            text=row["text"],
            author=row["author"],
            event=row["event"],
            created=iso(row["created"]),
            acts=row["signature"] is not None,
        )


class AnnotationsPage(msgspec.Struct):
    """Some annotations; ``cursor`` asks for the next ones, null: there are none."""

    annotations: list[AnnotationOut]
    cursor: str | None


@get("/metrics/{uid:str}/annotations", sync_to_thread=True, summary="What was said of a metric")
def list_annotations(
    state: Parts,
    uid: FromPath[str],
    start: Moment = None,
    end: Moment = None,
    limit: Limit = 1_000,
    cursor: Cursor = None,
) -> AnnotationsPage:
    """Annotations of a metric that touch start … end, in the order in which they were made."""
    rows = _notes(state).of(
        stored_metric(state, uid)["id"],
        start=moment_of("start", start),
        end=moment_of("end", end),
        after=cursor_numbers(cursor, 1)[0] if cursor else 0,
        limit=limit + 1,
    )
    more = str(rows[limit - 1]["id"]) if len(rows) > limit else None
    return AnnotationsPage([AnnotationOut.of(row) for row in rows[:limit]], more)


@post("/metrics/{uid:str}/annotations", summary="Say something of a metric")
async def add_annotation(
    state: Parts, uid: FromPath[str], data: Annotated[AnnotationIn, BodyKwarg()]
) -> AnnotationOut:
    """Note or label a stretch of a metric's time."""
    return await done(state, partial(_add, state, uid, data.columns()))


@patch("/annotations/{number:int}", summary="Say it otherwise")
async def change_annotation(
    state: Parts, number: FromPath[int], data: Annotated[AnnotationPatch, BodyKwarg()]
) -> AnnotationOut:
    """Change what was said."""
    new = {key: said for key, said in msgspec.structs.asdict(data).items() if said is not UNSET}
    return _there(number, await done(state, partial(_change, state, number, new)))


@delete("/annotations/{number:int}", summary="Take it back")
async def remove_annotation(state: Parts, number: FromPath[int]) -> None:
    """Delete an annotation."""
    gone = await done(state, partial(_remove, state, number))
    _there(number, gone or None)


def _add(state: Parts, uid: str, columns: dict[str, Any]) -> AnnotationOut:
    row = state.engine.actions.row(uid)
    metric = int(state.engine.registry.position[row]["id"])
    notes = _notes(state)
    number = notes.add(metric=metric, created=time.time_ns(), **columns)
    made = notes.get(number)
    assert made is not None
    return AnnotationOut.of(made)


def _change(state: Parts, number: int, columns: dict[str, Any]) -> AnnotationOut | None:
    if number > _LARGEST:
        return None
    notes = _notes(state)
    known = notes.get(number)
    if known is not None and known["signature"] and "kind" in columns:
        raise ActionRefusedError(f"{number} is a mark that acts: take it back and mark anew")
    if columns:
        notes.change(number, **columns)
    row = notes.get(number)
    return None if row is None else AnnotationOut.of(row)


def _remove(state: Parts, number: int) -> bool:
    known = _notes(state).get(number) if number <= _LARGEST else None
    if known is None:
        return False
    if known["signature"]:  # it stays, for samples from before that wait to be scored
        return state.engine.marking.take_back(number)
    return _notes(state).remove(number)


def _there(number: int, found: T | None) -> T:
    if found is None:
        raise NotFoundException(f"there is no annotation {number}")
    return found


def _notes(state: Parts) -> Annotations:
    return Annotations(state.engine.database, state.engine.writer)


def stretch(start: When, end: When) -> dict[str, int]:
    """Columns ``start`` and ``end`` (ns). Errors: `BadInputError`."""
    first, last = moment_of("start", str(start)), moment_of("end", str(end))
    if first is None or last is None or last < first:
        raise BadInputError("end: must not be before start")
    return {"start": first, "end": last}
