"""The tokens that are good now: read again from the database at most once a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from tocsin.errors import StoreError
from tocsin.store.tokens import Token, Tokens

__all__ = ["KnownTokens"]

_log: Final = structlog.get_logger("tocsin.api")

#: A change that somebody else made in the database is known after so many seconds.
_FRESH_S: Final = 1.0
#: How exactly it is kept when a token was last used (ns).
_USED_NS: Final = 3_600 * 10**9


class KnownTokens:
    """Tokens by their hash. One event loop."""

    def __init__(
        self,
        tokens: Tokens,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        """Read them. Errors: `StoreError`."""
        self._tokens, self._clock, self._wall = tokens, clock, wall
        self._used: dict[int, int] = {}
        self._reading = asyncio.Lock()
        self._read = 0.0
        self._take(tokens.all())

    @property
    def any(self) -> bool:
        """Whether there are tokens in the database, be they expired."""
        return bool(self._by_hash)

    @property
    def administered(self) -> bool:
        """Whether one of them may do everything."""
        now = self._wall()
        return any(t.scope == "admin" and t.live(now) for t in self._by_hash.values())

    def find(self, hashed: str) -> Token | None:
        """The token with this hash, if it is good."""
        token, now = self._by_hash.get(hashed), self._wall()
        if token is None or not token.live(now):
            return None
        if token.used is None or now - token.used > _USED_NS:
            self._used[token.id] = now
        return token

    async def refresh(self, *, now: bool = False) -> None:
        """Know what the database knows; when it cannot be read, what it knew stays good."""
        if not now and self._clock() - self._read < _FRESH_S:
            return
        async with self._reading:
            if not now and self._clock() - self._read < _FRESH_S:
                return
            used, self._used = self._used, {}
            try:
                self._take(await asyncio.to_thread(self._ask, used))
            except StoreError as error:
                self._read = self._clock()
                _log.warning("tokens_not_read", reason=str(error))

    def _ask(self, used: dict[int, int]) -> list[Token]:
        found = self._tokens.all()
        if used:
            self._tokens.note_use(used)
        return [t._replace(used=used.get(t.id, t.used)) for t in found]

    def _take(self, tokens: list[Token]) -> None:
        self._by_hash = {token.hash: token for token in tokens}
        self._read = self._clock()
