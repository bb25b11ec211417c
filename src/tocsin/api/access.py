"""Who may ask: a token if there is one, and no web page of somebody else's."""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler

from tocsin.config import Config

__all__ = ["Connection", "need_token", "not_from_elsewhere", "same"]

Connection = ASGIConnection[BaseRouteHandler, object, object, object]  # type: ignore[type-var]


def need_token(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Let in who shows the configured token, or everybody when there is none."""
    config: Config = connection.app.state.config
    if config.token is None:
        return
    scheme, _, shown = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not same(shown.strip(), config.token):
        raise NotAuthorizedException(
            "show the token: Authorization: Bearer …", headers={"WWW-Authenticate": "Bearer"}
        )


def same(shown: str, token: str) -> bool:
    """Whether this is the token, in a time that tells nothing about it."""
    return hmac.compare_digest(shown.encode(errors="replace"), token.encode())


def not_from_elsewhere(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Without a token, keep out pages that a browser on this machine has open.

    They could send requests here (a foreign ``Origin``), or come under a name of their own that
    leads to this machine (a ``Host`` that is neither an address nor localhost).
    """
    config: Config = connection.app.state.config
    if config.token is not None:
        return
    host = connection.headers.get("host", "")
    origin = connection.headers.get("origin")
    if not _is_local_name(host):
        raise PermissionDeniedException(f"ask for localhost or an address, not {host[:80]!r}")
    if origin is not None and urlsplit(origin).netloc != host:
        raise PermissionDeniedException(f"pages from {origin[:80]!r} may not use this service")


def _is_local_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name.endswith(".localhost"):
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
