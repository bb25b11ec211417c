"""What is to be told of incidents, added in the transaction that changes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Connection

__all__ = ["Told", "queue"]

#: What of an incident is told.
Told = Literal["opened", "worsened", "resolved"]


def queue(
    connection: Connection,
    incident: Mapping[str, Any],
    change: Told,
    routes: Sequence[str],
    now: int,
) -> int:
    """Add a message for every channel of ``routes``; says how many: none, there are no channels.

    ``incident``: the row after the change; ``now`` in nanoseconds.
    """
    return 0
