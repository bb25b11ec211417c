"""What every kind of channel is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tocsin.alert.message import Message

__all__ = ["Receiver"]


class Receiver(Protocol):
    """Takes messages; one thread calls it. Nothing that it raises or shows holds a secret."""

    #: Where it is, as may be shown to people.
    place: str
    #: Whether only the newest message of an incident counts: the older ones are left out.
    newest_only: bool
    #: How often `keep` is to be called (seconds); None: never.
    keep_s: float | None

    def send(self, message: Message) -> None:
        """Return when the receiver has it.

        Errors: `ReceiverError` when it is not known to have it; `MessageRefusedError` when it says
        that it will not take it.
        """
        ...

    def keep(self, firing: Sequence[Message]) -> None:
        """Say again what is going on. Errors: as `send`."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
