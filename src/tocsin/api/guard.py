"""The one guard before every handler: closed by default.

Looking (GET, HEAD) needs the scope "read", anything else "admin". A handler that differs says so:
``opt={"scope": "ingest"}``; it may also be "open" to everybody, or name several scopes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

from litestar import Request
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.types import Message, Scope

from tocsin.api.access import LOCAL, Access, Connection, Identity
from tocsin.api.audit import Record, begin, enter, finish

__all__ = [
    "OPEN",
    "PAGE_HEADER",
    "Shown",
    "address_of",
    "guard",
    "identity_of",
    "of_our_page",
    "settle",
]

#: The secrets that a connection shows, in the ways of a protocol: ``opt={"shown": …}``.
Shown = Callable[[Connection], Iterator[str]]

#: What the page sends with everything, and no page of somebody else's can.
PAGE_HEADER: Final = "X-Tocsin-Page"
#: Of a handler that everybody may ask.
OPEN: Final = {"scope": "open"}

_LOOKING: Final = ("GET", "HEAD", "OPTIONS")
_OPEN: Final = "open"


async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let in who may do this; see the module. Errors: `HTTPException`; `StoreError`."""
    access: Access = connection.app.state.access
    await access.known.refresh()
    scopes = _scopes(connection, handler)
    identity = _identify(access, connection, handler, scopes)
    connection.scope["user"] = identity
    if identity is None:
        return
    record = Record(identity.name, address_of(connection), _what(connection))
    enter(record)
    if _OPEN in scopes:
        return
    if not identity.may(scopes):
        wanted = " or ".join(map(repr, scopes))
        raise PermissionDeniedException(f"this token is for {identity.scope!r}, not for {wanted}")
    if identity.by_cookie:
        of_our_page(connection)
    if scopes == ("admin",) and _method(connection) not in _LOOKING:
        params = connection.scope.get("path_params", {})
        record.target = ", ".join(str(value) for value in params.values())
        connection.scope["state"]["tocsin_audit"] = record
        await begin(access.audits, record)


async def settle(message: Message, scope: Scope) -> None:
    """At the begin of an answer: add it to what `guard` noted."""
    if message["type"] == "http.response.start":
        record = scope.get("state", {}).get("tocsin_audit")
        if record is not None:
            await finish(scope["litestar_app"].state.access.audits, record, message["status"])


def identity_of(request: Request[Any, Any, Any]) -> Identity | None:
    """Who asks; None: nobody who is known (only where everybody may ask)."""
    found: Identity | None = request.scope.get("user")
    return found


def address_of(connection: Connection | Request[Any, Any, Any]) -> str:
    """Where a request comes from."""
    return connection.client.host if connection.client else ""


def of_our_page(connection: Connection | Request[Any, Any, Any]) -> None:
    """Refuse what another page has a browser send. Errors: `PermissionDeniedException`."""
    if _method(connection) in _LOOKING:
        return
    site = connection.headers.get("sec-fetch-site", "same-origin")
    if PAGE_HEADER not in connection.headers or site not in ("same-origin", "none"):
        raise PermissionDeniedException(f"only Tocsin's own page may ask this ({PAGE_HEADER}: 1)")


def _scopes(connection: Connection, handler: BaseRouteHandler) -> tuple[str, ...]:
    told = handler.opt.get("scope")
    if told is None:
        told = "read" if _method(connection) in _LOOKING else "admin"
    return (told,) if isinstance(told, str) else tuple(told)


def _identify(
    access: Access, connection: Connection, handler: BaseRouteHandler, scopes: tuple[str, ...]
) -> Identity | None:
    """Who asks; None: nobody who is known, where everybody may ask."""
    if not access.needed:
        access.keep_out_elsewhere(connection)
        return LOCAL
    shown: Shown = handler.opt.get("shown", _bearer)
    secrets = [*shown(connection)]
    for secret in secrets:
        found = access.recognise(secret, address_of(connection))
        if found is not None:
            return found
    found = None if secrets else access.of_session(connection)
    if found is None and _OPEN not in scopes:
        _ask_for_token(handler)
    return found


def _ask_for_token(handler: BaseRouteHandler) -> NoReturn:
    scheme = handler.opt.get("scheme", "Bearer")
    raise NotAuthorizedException(
        f"show the token: Authorization: {scheme} …", headers={"WWW-Authenticate": scheme}
    )


def _bearer(connection: Connection) -> Iterator[str]:
    scheme, _, shown = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield shown.strip()


def _method(connection: Connection | Request[Any, Any, Any]) -> str:
    return str(connection.scope.get("method", ""))


def _what(connection: Connection) -> str:
    scope: Any = connection.scope
    return f"{_method(connection)} {scope.get('path_template') or scope['path']}"
