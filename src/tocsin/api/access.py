"""Who may ask for what: tokens and their scopes, sessions, and no web page of somebody else's."""

from __future__ import annotations

import hmac
import ipaddress
import math
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.exceptions import PermissionDeniedException, TooManyRequestsException
from litestar.handlers import BaseRouteHandler
from sqlalchemy import Engine

from tocsin.api.attempts import Attempts, Rate
from tocsin.api.known import KnownTokens
from tocsin.api.sessions import Sessions, shown_sessions
from tocsin.config import Config
from tocsin.store.audits import Audits
from tocsin.store.tokens import Tokens, digest

__all__ = ["LOCAL", "Access", "Connection", "Identity", "refuse_guesses"]

Connection = ASGIConnection[BaseRouteHandler, object, object, object]  # type: ignore[type-var]
_ALLOWED: Final[dict[str, tuple[str, ...]]] = {
    "ingest": ("ingest",),
    "read": ("read",),
    "admin": ("ingest", "read", "admin"),
}
#: What proxies add: a request with one of these does not come from this machine.
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")
#: Logging in, and showing what might be the configured token, which may be a word of a person's.
_LOGINS: Final = Rate(10, 1 / 6), Rate(100, 2)
_GUESSES: Final = Rate(60, 1), Rate(300, 10)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, and what they may do."""

    name: str
    scope: str
    #: Of the token that was shown; "": none is needed.
    hashed: str = ""
    #: Whether it came as a cookie, which browsers add by themselves.
    by_cookie: bool = False

    def may(self, scopes: tuple[str, ...]) -> bool:
        """Whether one of these is allowed."""
        return any(scope in _ALLOWED[self.scope] for scope in scopes)


#: Whoever asks where no token is needed.
LOCAL: Final = Identity("local", "admin")


class Access:
    """Tokens, sessions and attempts of a running service. One event loop."""

    def __init__(self, config: Config, database: Engine) -> None:
        """Errors: `StoreError`."""
        self.tokens, self.audits = Tokens(database), Audits(database)
        self.known = KnownTokens(self.tokens)
        self.sessions = Sessions()
        self.logins, self._guesses = Attempts(*_LOGINS), Attempts(*_GUESSES)
        self._configured = None if config.token is None else digest(config.token)
        address = config.http_address
        self._reachable = address is not None and not address.loopback
        self._insecure = config.insecure

    @property
    def needed(self) -> bool:
        """Whether a token is asked for."""
        if self._configured is not None or self.known.any:
            return True
        return self._reachable and not self._insecure

    @property
    def administered(self) -> bool:
        """Whether there is a token that may do everything."""
        return self._configured is not None or self.known.administered

    def find(self, hashed: str) -> Identity | None:
        """Whose token has this hash; None: nobody's (any more)."""
        if self._configured is not None and hmac.compare_digest(hashed, self._configured):
            return Identity("configuration", "admin", hashed)
        token = self.known.find(hashed)
        return None if token is None else Identity(token.name, token.scope, hashed)

    async def holds(self, identity: Identity) -> bool:
        """Whether somebody who was let in would still be, with the same scope."""
        await self.known.refresh()
        if not identity.hashed:
            return not self.needed
        now = self.find(identity.hashed)
        return now is not None and now.scope == identity.scope

    def recognise(self, secret: str, address: str) -> Identity | None:
        """Who shows this secret. Errors: `TooManyRequestsException` for one who guesses."""
        hashed = digest(secret)
        token = self.known.find(hashed)
        if token is not None:
            # These cannot be guessed, so whoever else tries does not keep them out.
            return Identity(token.name, token.scope, hashed)
        if self._configured is None or self._guesses.repeated(address, hashed):
            return None
        refuse_guesses(self._guesses, address)
        return self.judge(hashed, address, self._guesses)

    def judge(self, hashed: str, address: str, attempts: Attempts) -> Identity | None:
        """Whose secret this is, counted as an attempt."""
        found = self.find(hashed)
        if found is None:
            attempts.failed(address, hashed)
        else:
            attempts.succeeded(address)
        return found

    def of_session(self, connection: Connection) -> Identity | None:
        """Who has this browser's session."""
        headers = connection.headers
        for secret in shown_sessions(headers.get("host", ""), headers.get("cookie", "")):
            hashed = self.sessions.token(secret)
            found = None if hashed is None else self.find(hashed)
            if found is not None:
                return Identity(found.name, found.scope, found.hashed, by_cookie=True)
        return None

    def keep_out_elsewhere(self, connection: Connection) -> None:
        """Without a token, keep out who is not on this machine, and pages of others.

        Pages that a browser on this machine has open could send requests here (a foreign
        ``Origin``), or come under a name of their own that leads to this machine (a ``Host`` that
        is neither an address nor localhost).
        """
        host = connection.headers.get("host", "")
        origin = connection.headers.get("origin")
        if not (self._insecure and self._reachable):
            if not _is_local_name(host):
                raise PermissionDeniedException(
                    f"ask for localhost or an address, not {host[:80]!r}; or make a token"
                )
            if any(name in connection.headers for name in _FORWARDED):
                raise PermissionDeniedException(
                    "behind a proxy a token is needed: tocsin token create NAME --scope admin"
                )
        if origin is not None and urlsplit(origin).netloc != host:
            raise PermissionDeniedException(f"pages from {origin[:80]!r} may not use this service")


def refuse_guesses(attempts: Attempts, address: str) -> None:
    """Errors: `TooManyRequestsException` while this address may not try."""
    wait = attempts.wait(address)
    if wait > 0:
        raise TooManyRequestsException(
            "too many wrong tokens: try again a little later",
            headers={"Retry-After": str(math.ceil(wait))},
        )


def _is_local_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name.endswith(".localhost"):
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
