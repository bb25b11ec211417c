"""Followed files on their way into an engine or a service, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from tocsin.config import Follow
from tocsin.engine.batch import Batch, Reason, Receipt, Rejection
from tocsin.engine.engine import Engine
from tocsin.errors import BadInputError, TocsinError
from tocsin.ingest.columns import Columns
from tocsin.ingest.follow.rows import PROTOCOL, decode, is_csv
from tocsin.ingest.follow.tail import Piece, Tail
from tocsin.ingest.loading import Sink
from tocsin.ingest.local import EngineSink

__all__ = ["Follower", "Following"]

#: Between two looks at a file that does not grow.
LOOK_S: Final = 0.5
_AGAIN_S: Final = 2.0
_STOP_S: Final = 5.0

_log: Final = structlog.get_logger("tocsin.follow")

#: Told what was refused before it came to the sink, and of each receipt.
Refused = Callable[[Sequence[Rejection]], None]
Stored = Callable[[Receipt], None]


def _nothing(_receipt: Receipt) -> None:
    pass


@dataclass(slots=True)
class Follower:
    """Follows one file into a sink, until ``stop`` is set.

    What is stored and how far the file was read are one commit; so nothing is lost or sent twice,
    whenever it ends.
    """

    follow: Follow
    sink: Sink
    refused: Refused
    stop: threading.Event = field(default_factory=threading.Event)
    stored: Stored = _nothing
    _told: str = ""

    def run(self) -> None:
        """Read, send, wait; problems are logged and tried again."""
        tail = Tail(Path(self.follow.path), self.sink.position, header=is_csv(self.follow))
        try:
            while not self.stop.is_set():
                self.stop.wait(self._step(tail))
        finally:
            tail.close()

    def _step(self, tail: Tail) -> float:
        """Do one piece; returns how long to wait then (seconds)."""
        try:
            piece = tail.poll()
        except (OSError, TocsinError) as error:
            self._trouble(str(error))
            return _AGAIN_S
        if piece is None:
            return LOOK_S
        self._send(piece)
        return 0.0

    def _send(self, piece: Piece) -> None:
        batch, rejected = self._read(piece)
        while not self.stop.is_set():
            try:
                receipt = self.sink.send(batch)
            except TocsinError as error:
                self._trouble(str(error))
                self.stop.wait(_AGAIN_S)
            else:
                self._told = ""
                self.refused(rejected)
                self.stored(receipt)
                return

    def _read(self, piece: Piece) -> tuple[Batch, list[Rejection]]:
        try:
            decoded = decode(piece.lines, piece.header, self.follow)
        except BadInputError as error:
            # Waits for nothing: the header of this file will not change.
            self._trouble(str(error))
            bad = [Rejection(at, Reason.BAD_LINE, str(error)) for at in range(len(piece.lines))]
            decoded = replace(Columns(PROTOCOL).done(), rejected=bad)
        broken = Rejection(0, Reason.BAD_LINE, "a line is too long, or has no end")
        batch = replace(
            decoded.batch,
            source=piece.source,
            position=piece.position,
            sender=f"{PROTOCOL} {self.follow.path}",
        )
        return batch, [*decoded.rejected, *[broken] * piece.broken]

    def _trouble(self, reason: str) -> None:
        if reason != self._told:
            _log.warning("follow_trouble", path=self.follow.path, reason=reason)
        self._told = reason


class Following:
    """All files of ``[[follow]]``, into an engine in this process."""

    def __init__(self, engine: Engine, files: Sequence[Follow]) -> None:
        self._engine = engine
        self._stop = threading.Event()
        sink = EngineSink(engine, engine.database, lambda _: None)
        self._threads = [
            threading.Thread(
                target=Follower(one, sink, self._refused, self._stop).run,
                name=f"tocsin-follow-{number}",
                daemon=True,
            )
            for number, one in enumerate(files)
        ]

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Read nothing more; what was read is stored. The engine must still run."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                # One that waits for a database that is away ends with the engine.
                thread.join(_STOP_S)

    def _refused(self, rejected: Sequence[Rejection]) -> None:
        if rejected:
            self._engine.telemetry.refused(PROTOCOL, rejected)
            _log.info("lines_refused", lines=len(rejected), first=rejected[0].reason)
