"""Noting who changes what: every change that is asked for is written down before it is made.

The guard begins a row for each request that may change something, and the end of the request is
added to it. A handler may say more with `audit`, and who is asking with `actor`.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from tocsin.errors import StoreError
from tocsin.store.audits import Audits

__all__ = ["Record", "actor", "audit", "begin", "enter", "finish"]

_log: Final = structlog.get_logger("tocsin.api")


@dataclass(slots=True)
class Record:
    """What is known of the request that is under way."""

    who: str
    address: str
    what: str
    target: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    #: Its row; None: it changes nothing.
    number: int | None = None


_current: ContextVar[Record] = ContextVar("tocsin_record")


def audit(*, what: str | None = None, target: str | None = None, **details: Any) -> None:
    """Say more of the request that is under way, for the book of changes: no secrets.

    ``what``: a name for it, as ``metric.pause``; ``target``: whom it is about. May be called in
    threads that the handler waits for. Errors: `LookupError` outside of a request.
    """
    record = _current.get()
    record.what = record.what if what is None else what
    record.target = record.target if target is None else target
    record.details.update(details)


def actor() -> str:
    """Who asks: the token's name; "local" where none is needed. Errors: as `audit`."""
    return _current.get().who


def enter(record: Record) -> None:
    """From here on it is the request that is under way."""
    _current.set(record)


async def begin(audits: Audits, record: Record) -> None:
    """Write a row down. Errors: `StoreError`; then nothing may be changed."""
    told = record.who, record.what, record.target, dict(record.details)
    record.number = await asyncio.to_thread(audits.add, *told, address=record.address)


async def finish(audits: Audits, record: Record, status: int) -> None:
    """Add how it ended. It has been done: an error here is only logged."""
    if record.number is None:
        return
    number, record.number = record.number, None
    told = number, status, record.what, record.target, dict(record.details)
    try:
        await asyncio.to_thread(audits.finish, *told)
    except StoreError as error:
        _log.error("audit_not_finished", row=number, status=status, reason=str(error))
