from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.engine.archive import ROW, _npy_head, open_archive, write
from tocsin.engine.archive_parts import VERSION, Identity, Manifest, Point
from tocsin.errors import FileFormatError

EVENTS: list[dict[str, Any]] = [
    {"id": 3, "start": 5, "peak": 6, "end": 7, "open": True, "value": 1.5, "samples": 2}
    | dict.fromkeys(("expected", "lower", "upper", "anomaly_score", "likelihood"))
    | {
        "pattern": "spike",
        "why": "3 times higher",
        "views": '{"value": 3.5}',
        "muted": None,
        "because": None,
    }
]
NOTES: list[dict[str, Any]] = [
    {"id": 1, "event": 3, "start": 5, "end": 7, "kind": "note", "text": "Umlaute: äöü"}
    | {"author": "", "created": 8, "signature": None, "since_seq": None, "until_seq": None}
]
STATE = bytes(range(256)) * 50


def some_rows(count: int, first: int = 1) -> NDArray[np.void]:
    rng = np.random.default_rng(count)
    rows = np.zeros(count, ROW)
    for name in ROW.names or ():
        rows[name] = rng.normal(size=count)
    rows["raw_score"][: count // 2] = np.nan
    rows["upper"][::3] = np.inf
    rows["seq"] = np.arange(first, first + count)
    rows["timestamp"] = 10**18 + rows["seq"] * 60
    rows["event"] = 0
    return rows


def manifest_of(rows: NDArray[np.void], **point: Any) -> Manifest:
    last = int(rows["seq"][-1]) if len(rows) else 0
    told: dict[str, Any] = {"status": "active", "last_seq": last, "scored_seq": last}
    told |= {"reason": None, "detail": None, "deadline": None, "failures": 0}
    return Manifest(
        metric=Identity(name="m", labels={"host": "a"}, uid="u", generation=2, created=7),
        point=Point(**(told | {"learns_after": 0} | point)),
        own={"timezone": "UTC"},
        settings={"model": "views"},
        settings_hash="h",
        made="2024-01-01T00:00:00Z",
        by="tocsin 1",
        samples=len(rows),
        state_seq=int(point.get("scored_seq", last)),
    )


def packed(rows: NDArray[np.void], size: int = 1_000, **point: Any) -> bytes:
    target = io.BytesIO()
    chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
    manifest = manifest_of(rows, **point)
    write(target, manifest, chunks, state=STATE, events=EVENTS, annotations=NOTES)
    return target.getvalue()


def unpacked(data: bytes) -> tuple[Manifest, NDArray[np.void], list[int]]:
    with open_archive(io.BytesIO(data)) as archive:
        assert archive.state() == STATE
        assert msgspec.to_builtins(archive.events()) == EVENTS
        assert msgspec.to_builtins(archive.annotations()) == NOTES
        chunks = list(archive.samples())
        rows = np.concatenate(chunks) if chunks else np.zeros(0, ROW)
        return archive.manifest, rows, [len(chunk) for chunk in chunks]


def changed(data: bytes, name: str, change: Callable[[bytes], bytes | None]) -> bytes:
    """The archive with another member of this name (None: without it)."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            told = old.read(member)
            now = change(told) if member == name else told
            if now is not None:
                new.writestr(member, now)
    return target.getvalue()


@pytest.mark.parametrize("count", [0, 1, 999, 40_000])
def test_what_is_written_is_read(count: int) -> None:
    rows = some_rows(count)
    manifest, read, sizes = unpacked(packed(rows))
    assert read.tobytes() == rows.tobytes()
    assert max(sizes, default=0) <= 12_000
    expected = msgspec.structs.replace(manifest_of(rows), files=manifest.files)
    assert manifest == expected


def test_archives_of_the_first_version_are_read() -> None:
    rows = some_rows(2_000)
    first = np.dtype([field for field in ROW.descr if field[0] != "rate"])
    old = np.zeros(len(rows), first)
    for name in first.names or ():
        old[name] = rows[name]
    npy = _npy_head(len(rows), first) + old.tobytes()
    assert np.load(io.BytesIO(npy)).tobytes() == old.tobytes()
    told = {"bytes": len(npy), "sha256": hashlib.sha256(npy).hexdigest()}

    def manifest(data: bytes) -> bytes:
        now = json.loads(data)
        return json.dumps(
            now | {"version": 1, "files": now["files"] | {"samples.npy": told}}
        ).encode()

    data = changed(changed(packed(rows), "samples.npy", lambda _: npy), "manifest.json", manifest)
    read = unpacked(data)[1]
    assert np.isnan(read["rate"]).all()
    for name in first.names or ():
        assert read[name].tobytes() == rows[name].tobytes()
    with pytest.raises(FileFormatError, match=r"samples\.npy"):
        unpacked(changed(data, "samples.npy", lambda _: _npy_head(len(rows)) + rows.tobytes()))


def test_the_oldest_samples_may_be_gone() -> None:
    rows = some_rows(500, first=1_001)
    assert unpacked(packed(rows))[1].tobytes() == rows.tobytes()


def test_equal_metrics_give_equal_bytes_in_any_pieces() -> None:
    rows = some_rows(2_000)
    assert packed(rows, 7) == packed(rows, 2_000)


def test_infinite_bounds_of_events_are_unknown_ones() -> None:
    target, rows = io.BytesIO(), some_rows(5)
    events = [EVENTS[0] | {"lower": -np.inf}]
    write(target, manifest_of(rows), [rows], state=STATE, events=events, annotations=NOTES)
    assert unpacked(target.getvalue())


def test_numpy_reads_the_samples_by_itself() -> None:
    rows = some_rows(300)
    with zipfile.ZipFile(io.BytesIO(packed(rows))) as zipped:
        found = np.load(io.BytesIO(zipped.read("samples.npy")), allow_pickle=False)
    assert found.dtype == ROW
    assert found.tobytes() == rows.tobytes()


def test_waiting_samples_come_after_the_scored_ones() -> None:
    rows = some_rows(100)
    rows["event"][90:] = -2
    rows["event"][95] = -1
    assert unpacked(packed(rows, scored_seq=90))[1].tobytes() == rows.tobytes()
    for scored in (89, 91):
        with pytest.raises(FileFormatError, match="samples near seq 1 are odd"):
            unpacked(packed(rows, scored_seq=scored))


@pytest.mark.parametrize("name", ["samples.npy", "events.json", "annotations.json", "state.bin"])
def test_a_changed_file_is_damage(name: str) -> None:
    data = packed(some_rows(2_000))
    for change in (lambda told: told[:-1] + b"x", lambda told: told + b" ", lambda told: told[:-8]):
        with pytest.raises(FileFormatError, match=name):
            unpacked(changed(data, name, change))


@pytest.mark.parametrize("name", ["manifest.json", "samples.npy", "events.json", "state.bin"])
def test_a_missing_file_is_named(name: str) -> None:
    with pytest.raises(FileFormatError, match=r"manifest\.json"):
        unpacked(changed(packed(some_rows(10)), name, lambda told: None))


def test_no_byte_may_be_another() -> None:
    data = packed(some_rows(400))
    whole = unpacked(data)[1].tobytes()
    survived = 0
    for place in range(0, len(data), 97):
        broken = bytearray(data)
        broken[place] ^= 0x40
        with suppress(FileFormatError):
            # What nobody reads (a date, a flag of the outer zip) may differ.
            assert unpacked(bytes(broken))[1].tobytes() == whole
            survived += 1
    assert survived < len(data) / 97 / 4


def edited(data: bytes, edit: Callable[[dict[str, Any]], object]) -> bytes:
    def change(told: bytes) -> bytes:
        manifest = json.loads(told)
        edit(manifest)
        return json.dumps(manifest).encode()

    return changed(data, "manifest.json", change)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda m: m.update(version=VERSION + 1), "newer than this tocsin knows"),
        (lambda m: m.update(format="cake"), "not an archive of a metric but 'cake'"),
        (lambda m: m.pop("metric"), "metric"),
        (lambda m: m["point"].update(scored_seq=51), "contradicts itself"),
        (lambda m: m["point"].update(last_seq=2**63), "manifest"),
        (lambda m: m.update(state_seq=None), "contradicts itself"),
        (lambda m: m["files"].pop("events.json"), "contradicts itself"),
        (lambda m: m.update(samples=49), "samples.npy does not hold"),
    ],
)
def test_a_manifest_that_cannot_be(edit: Callable[[dict[str, Any]], object], said: str) -> None:
    with pytest.raises(FileFormatError, match=said):
        unpacked(edited(packed(some_rows(50)), edit))


def broken_rows(name: str, place: int, value: float) -> NDArray[np.void]:
    rows = some_rows(50)
    rows[name][place] = value
    return rows


@pytest.mark.parametrize(
    "rows",
    [
        broken_rows("seq", 30, 30),
        broken_rows("seq", 0, 0),
        broken_rows("timestamp", 20, 10**18),
        broken_rows("timestamp", 49, 2**63 - 1),
        broken_rows("timestamp", 0, 0),
        broken_rows("value", 4, np.nan),
        broken_rows("value", 4, np.inf),
        broken_rows("event", 4, 5),
        broken_rows("event", 4, -2),
    ],
)
def test_samples_that_cannot_be_are_refused(rows: NDArray[np.void]) -> None:
    with pytest.raises(FileFormatError, match="odd"):
        unpacked(packed(rows))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("events.json", {"start": -1}),
        ("events.json", {"value": "1"}),
        ("events.json", {"metric": 7}),
        ("events.json", {"samples": 2**63}),
        ("annotations.json", {"kind": "poem"}),
        ("annotations.json", {"text": "a\0b"}),
        ("annotations.json", {"text": None}),
    ],
)
def test_rows_that_cannot_be_are_refused(name: str, change: dict[str, Any]) -> None:
    events = [EVENTS[0] | change] if name == "events.json" else EVENTS
    notes = [NOTES[0] | change] if name == "annotations.json" else NOTES
    rows, target = some_rows(5), io.BytesIO()
    write(target, manifest_of(rows), [rows], state=STATE, events=events, annotations=notes)
    with pytest.raises(FileFormatError, match=name):
        unpacked(target.getvalue())


def test_an_archive_from_before_events_said_why_is_read() -> None:
    later = ("pattern", "why", "views", "muted", "because", "signature", "since_seq", "until_seq")
    events, notes = (
        [{key: said for key, said in row.items() if key not in later} for row in rows]
        for rows in (EVENTS, NOTES)
    )
    rows, target = some_rows(5), io.BytesIO()
    write(target, manifest_of(rows), [rows], state=STATE, events=events, annotations=notes)
    with open_archive(io.BytesIO(target.getvalue())) as archive:
        (event,), (note,) = archive.events(), archive.annotations()
    assert (event.pattern, event.why, event.views, event.muted) == (None,) * 4
    assert (note.signature, note.since_seq, note.until_seq) == (None,) * 3


def test_too_much_is_refused_before_it_is_unpacked() -> None:
    def grow(told: bytes) -> bytes:
        return b" " * ((1 << 20) + 1)

    with pytest.raises(FileFormatError, match=r"manifest\.json has more than 1,048,576 bytes"):
        unpacked(changed(packed(some_rows(5)), "manifest.json", grow))


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip at all" * 10])
def test_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(FileFormatError):
        unpacked(data)


def test_a_zip_with_other_files_is_refused() -> None:
    target = io.BytesIO(packed(some_rows(5)))
    with zipfile.ZipFile(target, "a") as zipped:
        zipped.writestr("../evil", "x")
    with pytest.raises(FileFormatError, match="not an archive of a metric"):
        unpacked(target.getvalue())
