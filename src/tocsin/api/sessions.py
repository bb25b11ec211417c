"""Sessions of browsers: a cookie that no script can read stands for a token that was shown."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from http.cookies import CookieError, SimpleCookie
from typing import Final, NamedTuple

from tocsin.store.tokens import digest

__all__ = ["LONGEST_S", "Sessions", "cookie_name", "shown_sessions"]

#: How many there may be together, and of one token; beyond, those unused for longest end.
_MOST: Final = 1_000
_MOST_EACH: Final = 50
#: Seconds without a request until one ends; and from its begin.
_IDLE_S: Final = 86_400.0
LONGEST_S: Final = 7 * 86_400.0
_COOKIE: Final = "tocsin-session"
_LONGEST_COOKIES: Final = 8_192


class _Session(NamedTuple):
    token: str
    begun: float
    used: float


class Sessions:
    """Open sessions; in memory only, so a restart ends them all. One thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[str, _Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, token: str) -> str:
        """A new session for a token (its hash); returns what the cookie holds."""
        mine = [key for key, session in self._open.items() if session.token == token]
        if len(mine) >= _MOST_EACH:
            del self._open[mine[0]]
        elif len(self._open) >= _MOST:
            self._open.popitem(last=False)
        secret, now = secrets.token_urlsafe(32), self._clock()
        self._open[digest(secret)] = _Session(token, now, now)
        return secret

    def token(self, secret: str) -> str | None:
        """The hash of the token that a cookie stands for; None: the session is over."""
        key, now = digest(secret), self._clock()
        session = self._open.pop(key, None)
        if session is None or now - session.used > _IDLE_S or now - session.begun > LONGEST_S:
            return None
        self._open[key] = session._replace(used=now)
        return session.token

    def end(self, secret: str) -> None:
        """End a session, if there is such a one."""
        self._open.pop(digest(secret), None)


def cookie_name(host: str) -> str:
    """The cookie's name for a ``Host``: browsers do not tell ports of one machine apart."""
    port = host.rpartition(":")[2]
    return f"{_COOKIE}-{port}" if port.isascii() and port.isdigit() else _COOKIE


def shown_sessions(host: str, cookies: str) -> Iterator[str]:
    """What a ``Cookie`` header holds for this service."""
    if len(cookies) > _LONGEST_COOKIES:
        return
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(cookies)
    except CookieError:
        return
    found = jar.get(cookie_name(host))
    if found is not None:
        yield found.value
