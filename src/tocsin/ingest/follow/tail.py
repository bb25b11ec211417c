"""Reading a file that grows, in pieces of whole lines whose place in the file is known."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

__all__ = ["LONGEST", "Piece", "Tail"]

#: Bytes of one piece, and the longest line.
_PIECE: Final = 65_536
LONGEST: Final = 65_536
#: What tells files of one path apart stands in their first bytes.
_HEAD: Final = 4_096
_PACKED: Final = (".gz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of one file."""

    #: The file's own name in the book of deliveries: the same until it is another file.
    source: str
    #: Bytes of the file up to the end of these lines.
    position: int
    #: The first line of the file, if it is a header; without its end, as the others.
    header: bytes | None
    lines: list[bytes]
    #: Lines that were too long, or had no end when the file was over.
    broken: int = 0


@dataclass(slots=True)
class _Open:
    """A file that is being read."""

    file: FileIO
    source: str
    header: bytes | None
    head: bytes
    position: int
    skipping: bool = False


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file beside the path: how large it was, and how much of it was stored then."""

    size: int
    stored: int
    header: bytes | None


class Tail:
    """Follows a path: the file that is there now, after those that were rotated away.

    A file is known by its path and its first line of data, so that it is the same after a restart
    or when it was renamed, and another one when it was emptied and written anew. No threads of its
    own; whoever asks with `poll` decides how often. Memory: one piece, and one line.
    """

    def __init__(self, path: Path, known: Callable[[str], int], *, header: bool) -> None:
        """``known``: the position of a source that is stored, 0 for none; may raise.

        ``header``: whether the first line names the columns.
        """
        self.path = Path(os.path.abspath(path))
        self._known = known
        self._header = header
        self._open: _Open | None = None
        #: Files beside the path, by device and number.
        self._seen: dict[tuple[int, int], _Seen] = {}
        self._quiet = False

    def close(self) -> None:
        """Let go of the file."""
        if self._open is not None:
            self._open.file.close()
            self._open = None

    def poll(self) -> Piece | None:
        """The next lines; None when there are none now.

        Errors: OSError for a file that cannot be read, and what ``known`` raises; nothing is lost
        then.
        """
        if self._open is None and not self._begin():
            return None
        here = self._open
        assert here is not None
        if self._emptied(here):
            self.close()
            return self.poll()
        piece = self._read(here)
        if piece is not None:
            self._quiet = False
            return piece
        if not self._replaced(here):
            return None
        if not self._quiet:
            # Whoever writes may not have noticed yet: once more.
            self._quiet = True
            return None
        return self._finish(here)

    # Which file

    def _begin(self) -> bool:
        """Open the next file, if there is one with a line of data."""
        try:
            file = FileIO(self._next())
        except FileNotFoundError:
            return False
        made = self._identified(file)
        if made is None:
            file.close()
            return False
        made.position = max(made.position, self._start(made))
        self._open, self._quiet = made, False
        return True

    def _next(self) -> Path:
        """What is to be read now: a file that was rotated away before its end, or the path."""
        beside = [
            (told.st_mtime_ns, one, told)
            for one in self.path.parent.glob(f"{_escaped(self.path.name)}[.-]*")
            if not one.name.endswith(_PACKED) and one.is_file() and (told := one.stat())
        ]
        header: bytes | None = None
        begun = False
        for _, one, told in sorted(beside, key=lambda each: each[:2]):
            seen = self._look(one, told)
            if seen is None or (begun and seen.header != header):
                continue
            # Whatever came after one that was begun has come since.
            begun, header = begun or seen.stored > 0, seen.header
            if begun and seen.stored < told.st_size:
                del self._seen[told.st_dev, told.st_ino]  # is to be looked at again
                return one
        return self.path

    def _look(self, path: Path, told: os.stat_result) -> _Seen | None:
        """How far a file beside the path is read; only asked again when it has changed."""
        key = told.st_dev, told.st_ino
        seen = self._seen.get(key)
        if seen is None or seen.size != told.st_size:
            with FileIO(path) as file:
                made = self._identified(file)
                if made is None:
                    return None
                seen = _Seen(told.st_size, self._known(made.source), made.header)
            self._seen[key] = seen
        return seen

    def _identified(self, file: FileIO) -> _Open | None:
        """What a file is; None while its first line of data is not complete."""
        head = os.pread(file.fileno(), _HEAD, 0)
        lines = head.split(b"\n")
        wanted = 2 if self._header else 1
        if len(lines) <= wanted and len(head) < _HEAD:
            return None
        told = b"\n".join(lines[:wanted])
        header = lines[0].removesuffix(b"\r") if self._header else None
        digest = hashlib.blake2b(os.fsencode(self.path) + b"\0" + told, digest_size=12)
        source = f"follow:{digest.hexdigest()}:{self.path.name[-80:]}"
        position = len(lines[0]) + 1 if self._header else 0
        return _Open(file, source, header, told, position)

    def _start(self, made: _Open) -> int:
        """Where to go on: what is stored ends with a line, or is read again from its beginning."""
        stored = self._known(made.source)
        if stored <= made.position:
            return made.position
        size = min(stored, LONGEST)
        before = os.pread(made.file.fileno(), size, stored - size)
        return stored - (len(before) - (before.rfind(b"\n") + 1))

    def _emptied(self, here: _Open) -> bool:
        """Whether the file was truncated, or written anew in its place."""
        size = os.fstat(here.file.fileno()).st_size
        if size < here.position:
            return True
        return os.pread(here.file.fileno(), len(here.head), 0) != here.head

    def _replaced(self, here: _Open) -> bool:
        """Whether another file is at the path now."""
        try:
            now = os.stat(self.path)
        except FileNotFoundError:
            return False
        mine = os.fstat(here.file.fileno())
        return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino)

    def _finish(self, here: _Open) -> Piece | None:
        """Nothing more will come here: on to the next file."""
        size = os.fstat(here.file.fileno()).st_size
        rest = size > here.position or here.skipping
        self.close()
        return Piece(here.source, size, here.header, [], 1) if rest else self.poll()

    # Its lines

    def _read(self, here: _Open) -> Piece | None:
        data = os.pread(here.file.fileno(), _PIECE, here.position)
        end = data.rfind(b"\n") + 1
        if not end:
            if len(data) < LONGEST:
                return None
            # The rest of a line that is too long follows.
            here.position += len(data)
            here.skipping = True
            return self._read(here)
        lines = data[: end - 1].split(b"\n")
        broken = int(here.skipping)
        if here.skipping:
            del lines[0]
            here.skipping = False
        here.position += end
        return Piece(here.source, here.position, here.header, lines, broken)


def _escaped(name: str) -> str:
    """A name in a pattern of files, standing for itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
