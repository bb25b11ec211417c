"""Results as JSON lines in a file: one line a sample, event or gap."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import msgspec

from tocsin.errors import OutputError
from tocsin.publish.delivery import Delivery, Gap, Item
from tocsin.publish.messages import GapMessage, event_messages, sample_messages

__all__ = ["JsonLinesFile"]

#: Samples turned into lines at a time: about a megabyte.
_PIECE: Final = 4_096
_BLOCK: Final = 65_536
#: What every line begins with.
_BEGINNING: Final = b'{"kind":"'


class JsonLinesFile:
    """A file that grows; whoever reads it drops repeats by (metric, seq), or (id, position).

    What a full disk or a crash left of a line is cut off, and the delivery comes again. When the
    file is moved away (rotated), a new one is begun.
    """

    def __init__(self, path: Path, *, samples: bool = True) -> None:
        """Open or make the file; ``samples`` False: events and gaps only. Errors: `OutputError`."""
        self._path = path
        self._samples = samples
        self._encode = msgspec.json.Encoder().encode
        self._file: IO[bytes] | None = None
        self._open()

    def write(self, item: Item) -> None:
        """Append an item's lines. Errors: `OutputError`; no half line is left then."""
        file = self._open()
        start = file.seek(0, os.SEEK_END)
        try:
            for piece in self._pieces(item):
                _write_all(file, piece)
        except OSError as error:
            # What was written in part is cut off when the file is opened again, at the latest.
            with suppress(OSError):
                file.truncate(start)
            self._let_go()
            raise self._told(error) from error

    def sync(self) -> None:
        """Have it on the disk. Errors: `OutputError`."""
        if self._file is not None:
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                raise self._told(error) from error

    def close(self) -> None:
        """Close the file."""
        self._let_go()

    def _open(self) -> IO[bytes]:
        """The file, again if it is no longer the one of this name."""
        if self._file is not None and not _is_at(self._file, self._path):
            self.sync()
            self._let_go()
        if self._file is None:
            try:
                # Unbuffered: what `write` has returned from is the system's to keep.
                self._file = self._path.open("a+b", buffering=0)
                _cut_half_line(self._file)
            except OSError as error:
                self._let_go()
                raise self._told(error) from error
            except OutputError:
                self._let_go()
                raise
        return self._file

    def _let_go(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _pieces(self, item: Item) -> list[bytes]:
        if isinstance(item, Gap):
            return [self._line("gap", item.position, GapMessage.of(item))]
        return self._delivery(item)

    def _delivery(self, item: Delivery) -> list[bytes]:
        pieces = []
        if self._samples:
            for start in range(0, len(item), _PIECE):
                some = sample_messages(item, start, start + _PIECE)
                pieces.append(b"".join(self._line("sample", item.position, one) for one in some))
            if item.missing:
                missing = {"samples": item.missing}
                pieces.append(self._line("missing", item.position, missing))
        events = (self._line("event", item.position, one) for one in event_messages(item))
        return [*pieces, b"".join(events)]

    def _line(self, kind: str, position: int, said: object) -> bytes:
        # The message is a JSON object: its first brace is replaced by what every line begins with.
        return b'{"kind":"%b","position":%d,%b\n' % (
            kind.encode(),
            position,
            self._encode(said)[1:],
        )

    def _told(self, error: OSError) -> OutputError:
        return OutputError(f"{self._path} cannot be written: {error.strerror or error}")


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _write_all(file: IO[bytes], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _cut_half_line(file: IO[bytes]) -> None:
    """Cut off what follows the last line's end. Errors: `OutputError` if it was not ours."""
    end = at = file.seek(0, os.SEEK_END)
    while at > 0:
        start = max(0, at - _BLOCK)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            at = start + found + 1
            break
        at = start
    file.seek(at)
    if not _BEGINNING.startswith(file.read(len(_BEGINNING))):
        raise OutputError(f"{file.name} is there already and does not hold JSON lines of Tocsin")
    if at < end:
        file.truncate(at)
