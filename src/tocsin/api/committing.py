"""Waiting for what a request brought to be stored."""

from __future__ import annotations

import asyncio

from tocsin.api.parts import Parts
from tocsin.engine.batch import Batch, Receipt
from tocsin.errors import StoreError

__all__ = ["committed"]


async def committed(state: Parts, batch: Batch) -> Receipt:
    """The receipt; the samples may still be stored after an error: then they are duplicates.

    Errors: `QueueFullError`, `StoreError` also when the commit takes too long.
    """
    receipt = asyncio.wrap_future(state.engine.submit(batch))
    try:
        return await asyncio.wait_for(asyncio.shield(receipt), state.config.answer_s)
    except TimeoutError as error:
        why = state.engine.trouble or "more arrives than can be stored"
        raise StoreError(f"not stored within {state.config.answer_s:g} s: {why}") from error
