"""The page's files: read when asked for, revalidated every time, never stale."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from tocsin.api.guard import OPEN

__all__ = ["chart_library", "index", "static"]

_HOME: Final = ("tocsin.web", "static")
#: Named here, because the machine's own list may say otherwise.
_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain",
}
_SAFE: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

AnyRequest = Request[Any, Any, Any]


@get("/", opt=OPEN, include_in_schema=False, sync_to_thread=True)
def index(request: AnyRequest) -> Response[bytes]:
    """The page."""
    return _file(request, "index.html")


@get("/static/{name:str}", opt=OPEN, include_in_schema=False, sync_to_thread=True)
def static(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """A file that the page needs."""
    return _file(request, name)


@get("/static/plotly.min.js", opt=OPEN, include_in_schema=False, sync_to_thread=True)
def chart_library(request: AnyRequest) -> Response[bytes]:
    """Plotly's own JavaScript, from the installed package; may be kept as long as the version."""
    found = _plotly()
    if found is None:
        raise NotFoundException("the package plotly is not installed")
    path, tag = found
    headers = {**_SAFE, "ETag": tag, "Cache-Control": "public, max-age=86400"}
    if request.headers.get("if-none-match") == tag:
        return Response(b"", status_code=304, headers=headers)
    return Response(path.read_bytes(), media_type=_TYPES[".js"], headers=headers)


def _file(request: AnyRequest, name: str) -> Response[bytes]:
    package, folder = _HOME
    media_type = _TYPES.get(Path(name).suffix)
    found = {entry.name: entry for entry in files(package).joinpath(folder).iterdir()}
    if media_type is None or name not in found or not found[name].is_file():
        raise NotFoundException(f"no file {name[:80]!r}")
    content = found[name].read_bytes()
    tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    headers = {**_SAFE, "ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(b"", status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


@lru_cache(maxsize=1)
def _plotly() -> tuple[Path, str] | None:
    """The file and its version as an ETag, found without importing the package."""
    spec = find_spec("plotly")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place) / "package_data" / "plotly.min.js"
        if path.is_file():
            try:
                return path, f'"plotly-{version("plotly")}"'
            except PackageNotFoundError:
                return path, f'"plotly-{path.stat().st_mtime_ns}"'
    return None
