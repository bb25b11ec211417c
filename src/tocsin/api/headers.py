"""Headers that every answer has: what a browser may do with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.routes import BaseRoute
from litestar.types import Message, Scope

__all__ = ["POLICY", "add_headers"]

#: Nothing from elsewhere, and no script or style that stands in the page itself: a name that got
#: into it as HTML could still do nothing.
POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_ALWAYS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


async def add_headers(message: Message, scope: Scope) -> None:
    """Add them to the begin of an answer; what a handler has said of its own stays."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    if scope.get("method") == "OPTIONS" or message["status"] == 405:
        _tell_allowed(headers, scope)
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    # What is told to one must not be kept for another.
    headers.setdefault("Cache-Control", "no-store")


def _tell_allowed(headers: MutableScopeHeaders, scope: Scope) -> None:
    """Which methods there are: of all handlers of a path, and not only of one of them."""
    template, known = scope.get("path_template"), scope["litestar_app"].routes
    if template:
        every = {m for route in known if route.path_format == template for m in _methods(route)}
        headers["Allow"] = ", ".join(sorted({*every, "OPTIONS"}))


def _methods(route: BaseRoute) -> Iterable[str]:
    return getattr(route, "methods", ())
