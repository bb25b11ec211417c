"""Logging a browser in and out: it shows a token once, and has a cookie from then on."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
import structlog
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.params import BodyKwarg

from tocsin.api.access import Identity, refuse_guesses
from tocsin.api.guard import OPEN, address_of, identity_of, of_our_page
from tocsin.api.parts import Parts
from tocsin.api.sessions import LONGEST_S, cookie_name, shown_sessions
from tocsin.store.tokens import digest

__all__ = ["login", "logout", "show_session"]

_log: Final = structlog.get_logger("tocsin.api")


class LoginIn(msgspec.Struct, forbid_unknown_fields=True):
    """The token to show."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class SessionOut(msgspec.Struct):
    """Who asks, and what they may do; null: nobody who is known, who may do nothing."""

    scope: str | None
    name: str | None
    #: Whether a token is asked for at all.
    needs_token: bool


@get("/session", opt=OPEN, sync_to_thread=False, summary="Who asks")
def show_session(request: Request[Any, Any, Any], state: Parts) -> SessionOut:
    """What the token or the session that is shown is good for; open to everybody."""
    return _out(identity_of(request), state)


@post("/login", opt=OPEN, status_code=200, summary="Log a browser in")
async def login(
    request: Request[Any, Any, Any], state: Parts, data: Annotated[LoginIn, BodyKwarg()]
) -> Response[SessionOut]:
    """Begin a session: the answer sets a cookie that stands for the token.

    With the cookie, everything but looking needs the header ``X-Tocsin-Page: 1`` too; so does
    this. A session ends after a day without a request, after a week, with its token, and when the
    service is started anew.
    """
    of_our_page(request)
    if not state.access.needed:
        return Response(_out(identity_of(request), state))
    identity = _judged(request, state, data.token)
    if identity.scope == "ingest":
        raise PermissionDeniedException("this token is only for sending samples")
    cookie = _cookie(request, state.access.sessions.begin(identity.hashed), int(LONGEST_S))
    return Response(_out(identity, state), cookies=[cookie])


@post("/logout", opt=OPEN, status_code=204, summary="Log a browser out")
async def logout(request: Request[Any, Any, Any], state: Parts) -> Response[None]:
    """End the session that the cookie stands for."""
    of_our_page(request)
    headers = request.headers
    for secret in shown_sessions(headers.get("host", ""), headers.get("cookie", "")):
        state.access.sessions.end(secret)
    return Response(None, status_code=204, cookies=[_cookie(request, "", 0)])


def _judged(request: Request[Any, Any, Any], state: Parts, token: str) -> Identity:
    access, address = state.access, address_of(request)
    refuse_guesses(access.logins, address)
    identity = access.judge(digest(token), address, access.logins)
    if identity is None:
        _log.warning("login_refused", address=address)
        raise NotAuthorizedException("this is no token that is good here")
    _log.info("login", address=address, name=identity.name)
    return identity


def _cookie(request: Request[Any, Any, Any], value: str, seconds: int) -> Cookie:
    return Cookie(
        key=cookie_name(request.headers.get("host", "")),
        value=value,
        path="/",
        max_age=seconds,
        httponly=True,
        samesite="strict",
        # Told by the proxy that ends TLS, where there is one.
        secure=request.url.scheme == "https"
        or request.headers.get("x-forwarded-proto", "").lower() == "https",
    )


def _out(identity: Identity | None, state: Parts) -> SessionOut:
    if identity is None:
        return SessionOut(None, None, state.access.needed)
    return SessionOut(identity.scope, identity.name, state.access.needed)
