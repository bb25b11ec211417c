"""The page's files, as `tocsin.web.build` made them: read once, then from memory."""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath
from typing import Any, Final, NamedTuple

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

__all__ = ["asset", "icon", "index"]

_HOME: Final = ("tocsin.web", "static")
#: Named here, because the machine's own list may say otherwise.
_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
#: Compressed already.
_DENSE: Final = (".png", ".woff2")
_SAFE: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
#: Names of assets hold a hash of their content: a name never means something else.
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
#: What the browser shows when the page was not built.
_MISSING: Final = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tocsin</title>
<h1>Tocsin runs, but its page was not built</h1>
<p>When Tocsin was installed, the libraries of the page could not be fetched or there was no Node.
The service itself lacks nothing: see <a href="/schema">its interface</a>.</p>
<p>Build the page from a clone with <code>make page</code>, or with
<code>python -m tocsin.web.build</code>, and load this again.</p>
</html>
"""

AnyRequest = Request[Any, Any, Any]


class _File(NamedTuple):
    content: bytes
    gzipped: bytes | None
    media_type: str
    tag: str


@get(
    [
        "/",
        "/incidents",
        "/incidents/{which:str}",
        "/metrics/{which:str}",
        "/search",
        "/add",
        "/settings",
        "/settings/{which:str}",
        "/login",
    ],
    include_in_schema=False,
    sync_to_thread=False,
)
def index(request: AnyRequest) -> Response[bytes]:
    """The page: it finds out itself which view its address means."""
    try:
        return _sent(request, "index.html", _ASK_AGAIN)
    except NotFoundException:
        return Response(_MISSING, status_code=503, media_type="text/html", headers=_SAFE)


@get("/icon.svg", include_in_schema=False, sync_to_thread=False)
def icon(request: AnyRequest) -> Response[bytes]:
    """The picture in the browser's tab."""
    return _sent(request, "icon.svg", _ASK_AGAIN)


@get("/assets/{name:str}", include_in_schema=False, sync_to_thread=False)
def asset(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """A script, style or font of the page."""
    return _sent(request, f"assets/{name}", _FOR_EVER)


def _sent(request: AnyRequest, name: str, keep: str) -> Response[bytes]:
    found = _read(name, _stamp())
    headers = {**_SAFE, "ETag": found.tag, "Cache-Control": keep, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == found.tag:
        return Response(b"", status_code=304, headers=headers)
    content = found.content
    if found.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        content = found.gzipped
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=found.media_type, headers=headers)


def _stamp() -> str:
    """Of which sources the files are; another one when the page was built anew."""
    try:
        return _folder().joinpath("sources.txt").read_text("utf-8")
    except OSError:
        return ""


@lru_cache(maxsize=64)
def _read(name: str, _stamp: str) -> _File:
    """A file by its name, which is compared with those that there are. Errors: not found."""
    known = {entry.name: entry for entry in _entries(*name.split("/")[:-1])}
    entry, suffix = known.get(name.rpartition("/")[2]), PurePath(name).suffix
    if suffix not in _TYPES or entry is None or not entry.is_file():
        raise NotFoundException(f"no file {name[:80]!r}")
    content = entry.read_bytes()
    gzipped = None if suffix in _DENSE else gzip.compress(content, mtime=0)
    tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    return _File(content, gzipped, _TYPES[suffix], tag)


def _entries(*folders: str) -> list[Traversable]:
    place = _folder().joinpath(*folders) if folders else _folder()
    return list(place.iterdir()) if place.is_dir() else []


def _folder() -> Traversable:
    package, folder = _HOME
    return files(package).joinpath(folder)
