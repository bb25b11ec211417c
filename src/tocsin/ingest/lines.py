"""A stream of bytes as lines."""

from __future__ import annotations

from typing import Final

__all__ = ["LONGEST", "Lines"]

#: A longer line is no line of any protocol.
LONGEST: Final = 4_096


class Lines:
    """Cuts a stream of bytes into lines, whatever the packets."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._rest = b""
        self._skipping = False
        #: Lines that were longer than allowed, so far.
        self.too_long = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends. Memory: one line at most."""
        *whole, rest = (self._rest + data).split(b"\n")
        if self._skipping and whole:
            del whole[0]
            self._skipping = False
        good = [line for line in whole if len(line) <= self._longest]
        self.too_long += len(whole) - len(good)
        if self._skipping or len(rest) > self._longest:
            self.too_long += not self._skipping
            self._skipping, rest = True, b""
        self._rest = rest
        return good

    @property
    def rest(self) -> bytes:
        """The beginning of a line whose end has not come."""
        return self._rest
