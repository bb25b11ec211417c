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
        #: Lines that were left out, so far.
        self.too_long = 0

    def feed(self, data: bytes) -> bytes:
        """The lines that are complete now, with their ends. Memory: one line at most.

        A line is left out when more of it than is allowed came before its end; one that is too
        long and whole at once is for the reader to refuse.
        """
        end = data.rfind(b"\n") + 1
        whole, rest = data[:end], data[end:]
        if not end:
            rest = self._rest + data
        elif self._skipping:
            whole = whole[whole.index(b"\n") + 1 :]
            self._skipping = False
        else:
            whole = self._rest + whole
        if self._skipping or len(rest) > self._longest:
            self.too_long += not self._skipping
            self._skipping, rest = True, b""
        self._rest = rest
        return whole

    @property
    def rest(self) -> bytes:
        """The beginning of a line whose end has not come."""
        return self._rest
