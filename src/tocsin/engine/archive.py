"""A metric as one file: identity, settings, learnt state, samples with results, events, notes.

A zip with ``manifest.json``, ``samples.npy`` (no pickle), ``events.json``, ``annotations.json``
and, if anything was learnt, ``state.bin``. The manifest says every file's size and SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.detect.result import EVENT_CODES, NUMBERS
from tocsin.engine.archive_parts import FORMAT, VERSION, EventRow, File, Manifest, NoteRow, Point
from tocsin.errors import FileFormatError
from tocsin.samples import LATEST_NS
from tocsin.store.schema import WAITING

__all__ = ["ROW", "Archive", "open_archive", "write"]

T = TypeVar("T")

#: One stored sample, with its `NUMBERS`; event -1: never scored, -2: waits to be.
ROW: Final = np.dtype(
    [
        ("seq", "<i8"),
        ("timestamp", "<i8"),
        ("value", "<f8"),
        *((name, "<f8") for name in NUMBERS),
        ("event", "<i8"),
    ]
)
#: How rows were laid out by the version of the format.
_LAYOUTS: Final = {1: np.dtype([field for field in ROW.descr if field[0] != "rate"]), VERSION: ROW}

#: Bytes that the parts may have at most; of samples, how many there may be.
_MOST: Final = {
    "manifest.json": 1 << 20,
    "state.bin": 1 << 26,
    "events.json": 1 << 28,
    "annotations.json": 1 << 26,
    "samples.npy": 100_000_000 * ROW.itemsize,
}
_NEEDED: Final = ("manifest.json", "samples.npy", "events.json", "annotations.json")
#: A member's date, which says nothing: the same metric gives the same bytes.
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_PIECE: Final = 1 << 20
_EVENT_CODES: Final = range(WAITING, len(EVENT_CODES))
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error)


def write(
    target: IO[bytes],
    manifest: Manifest,
    chunks: Iterable[NDArray[np.void]],
    *,
    state: bytes | None,
    events: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
) -> None:
    """Write an archive; ``chunks``: rows of `ROW`, ``manifest.samples`` in all.

    Memory: one chunk. Errors: whatever reading the chunks raises.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        files = {
            "samples.npy": _put(zipped, "samples.npy", _npy(manifest.samples, chunks)),
            "events.json": _put(zipped, "events.json", [_json(events)]),
            "annotations.json": _put(zipped, "annotations.json", [_json(annotations)]),
        }
        if state is not None:
            files["state.bin"] = _put(zipped, "state.bin", [state])
        whole = msgspec.structs.replace(manifest, files=files)
        _put(zipped, "manifest.json", [msgspec.json.format(msgspec.json.encode(whole))])


def _put(zipped: zipfile.ZipFile, name: str, pieces: Iterable[bytes]) -> File:
    digest, size = hashlib.sha256(), 0
    member = zipfile.ZipInfo(name, _DATE)
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipped.open(member, "w", force_zip64=True) as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    return File(size, digest.hexdigest())


def _json(rows: list[dict[str, Any]]) -> bytes:
    # JSON knows no infinite bound.
    told = [{key: _finite(value) for key, value in row.items()} for row in rows]
    return json.dumps(told, allow_nan=False).encode()


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _npy(count: int, chunks: Iterable[NDArray[np.void]]) -> Iterator[bytes]:
    yield _npy_head(count)
    for chunk in chunks:
        yield chunk.astype(ROW, copy=False).tobytes()
        count -= len(chunk)
    if count:
        raise ValueError(f"{count} samples are missing")


def _npy_head(count: int, layout: np.dtype[np.void] = ROW) -> bytes:
    told = {"descr": layout.descr, "fortran_order": False, "shape": (count,)}
    text = repr(told).encode()
    # Magic, version 1.0, length; padded to 64 bytes, as the format wants it.
    room = 64 - (10 + len(text) + 1) % 64
    return (
        b"\x93NUMPY\x01\x00"
        + (len(text) + room + 1).to_bytes(2, "little")
        + (text + b" " * room + b"\n")
    )


class Archive:
    """An archive that is being read; everything is checked before it is believed.

    Every method: errors `FileFormatError`, which says what is wrong.
    """

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zip = zipped
        self.manifest = self._manifest()

    def state(self) -> bytes | None:
        """The learnt state, if there is one."""
        return self._whole("state.bin") if "state.bin" in self.manifest.files else None

    def events(self) -> list[EventRow]:
        """The metric's events."""
        return self._decoded("events.json", list[EventRow])

    def annotations(self) -> list[NoteRow]:
        """What people said about it."""
        return self._decoded("annotations.json", list[NoteRow])

    def samples(self) -> Iterator[NDArray[np.void]]:
        """Chunks of rows of `ROW`, in order: seqs without gaps, times rising, values finite."""
        left, last = self.manifest.samples, None
        layout = _LAYOUTS[self.manifest.version]
        head = _npy_head(left, layout)
        for block in _whole_rows(self._pieces("samples.npy"), head, layout.itemsize):
            rows = _present(np.frombuffer(block, layout))
            if not (_in_order(rows, last) and _sensible(rows, self.manifest.point)):
                raise FileFormatError(f"samples.npy: the samples near seq {rows[0]['seq']} are odd")
            left, last = left - len(rows), rows[-1]
            yield rows
        upto = self.manifest.point.last_seq
        if left or (last is not None and last["seq"] != upto):
            raise FileFormatError("samples.npy has other samples than the manifest says")

    def _decoded(self, name: str, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(self._whole(name), type=kind)
        except msgspec.DecodeError as error:
            raise FileFormatError(f"{name}: {error}") from error

    def _manifest(self) -> Manifest:
        names = [member.filename for member in self._zip.infolist()]
        if len(set(names)) != len(names) or not set(_NEEDED) <= set(names) <= set(_MOST):
            raise FileFormatError(
                f"this is not an archive of a metric: it should hold {', '.join(_MOST)}"
            )
        told = b"".join(self._read("manifest.json"))
        _check_version(told)
        try:
            manifest = msgspec.json.decode(told, type=Manifest)
        except msgspec.DecodeError as error:
            raise FileFormatError(f"manifest.json: {error}") from error
        _check_sense(manifest, set(names))
        return manifest

    def _whole(self, name: str) -> bytes:
        return b"".join(self._pieces(name))

    def _pieces(self, name: str) -> Iterator[bytes]:
        """A file's bytes as they are read; whether all were right is known at the end."""
        digest, size = hashlib.sha256(), 0
        for piece in self._read(name):
            digest.update(piece)
            size += len(piece)
            yield piece
        told = self.manifest.files[name]
        if (size, digest.hexdigest()) != (told.bytes, told.sha256):
            raise FileFormatError(f"{name} is damaged: its checksum does not fit")

    def _read(self, name: str) -> Iterator[bytes]:
        most = _MOST[name]
        if self._zip.getinfo(name).file_size > most:
            raise FileFormatError(f"{name} has more than {most:,} bytes")
        with _told_as_damage(name), self._zip.open(name) as file:
            while piece := file.read(_PIECE):
                most -= len(piece)
                if most < 0:
                    raise FileFormatError(f"{name} has more bytes than it says")
                yield piece


@contextmanager
def open_archive(source: IO[bytes]) -> Iterator[Archive]:
    """Read an archive from a file that can seek.

    Errors: `FileFormatError` when it is none, is damaged, or was made by a newer version.
    """
    with _told_as_damage("the archive"):
        zipped = zipfile.ZipFile(source)
    with zipped:
        yield Archive(zipped)


@contextmanager
def _told_as_damage(name: str) -> Iterator[None]:
    try:
        yield
    except (*_DAMAGE, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise FileFormatError(f"{name} cannot be read: {error}") from error


def _present(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Rows of an older layout as rows of `ROW`; what they do not say is not known."""
    if rows.dtype == ROW:
        return rows
    found = np.zeros(len(rows), ROW)
    for name in ROW.names or ():
        found[name] = rows[name] if name in (rows.dtype.names or ()) else np.nan
    return found


def _whole_rows(pieces: Iterable[bytes], head: bytes, size: int) -> Iterator[bytes]:
    """What follows the head, in blocks of whole rows."""
    kept = b""
    for piece in pieces:
        kept += piece
        if len(kept) < len(head) + size:
            continue
        start, head = _after_head(kept, head), b""
        end = start + (len(kept) - start) // size * size
        yield kept[start:end]
        kept = kept[end:]
    if kept and kept[_after_head(kept, head) :]:
        raise FileFormatError("samples.npy ends in the middle of a sample")


def _after_head(kept: bytes, head: bytes) -> int:
    if not kept.startswith(head):
        raise FileFormatError("samples.npy does not hold what the manifest says")
    return len(head)


def _in_order(rows: NDArray[np.void], last: np.void | None) -> bool:
    """Seqs without gaps and rising times, after the last row before these."""
    seq, time = rows["seq"], rows["timestamp"]
    if last is None:
        good = seq[0] >= 1 and time[0] > 0
    else:
        good = seq[0] == last["seq"] + 1 and time[0] > last["timestamp"]
    return bool(
        good and np.all(np.diff(seq) == 1) and np.all(np.diff(time) > 0) and time[-1] < LATEST_NS
    )


def _sensible(rows: NDArray[np.void], point: Point) -> bool:
    """Finite values, and results for just those samples that were scored."""
    done, event = rows["seq"] <= point.scored_seq, rows["event"]
    return bool(
        np.isfinite(rows["value"]).all()
        and np.isin(event, _EVENT_CODES).all()
        and np.all(event[done] != WAITING)
        and np.all(event[~done] < 0)
    )


class _Version(msgspec.Struct):
    format: str
    version: int


def _check_version(told: bytes) -> None:
    try:
        found = msgspec.json.decode(told, type=_Version)
    except msgspec.DecodeError as error:
        raise FileFormatError(f"manifest.json: {error}") from error
    if found.format != FORMAT:
        raise FileFormatError(f"this is not an archive of a metric but {found.format[:40]!r}")
    if found.version > VERSION:
        raise FileFormatError(
            f"this archive has version {found.version}, newer than this tocsin knows ({VERSION}): "
            "upgrade tocsin"
        )


def _check_sense(manifest: Manifest, names: set[str]) -> None:
    point = manifest.point
    good = (
        set(manifest.files) == names - {"manifest.json"}
        and (manifest.state_seq is None) == ("state.bin" not in names)
        and 0 <= point.scored_seq <= point.last_seq < 2**62
        and 0 <= point.learns_after <= point.last_seq
        and 0 <= manifest.samples <= point.last_seq
        and 0 <= (manifest.state_seq or 0) <= point.scored_seq
        and manifest.version in _LAYOUTS
    )
    if not good:
        raise FileFormatError("manifest.json contradicts itself")
