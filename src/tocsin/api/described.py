"""What the OpenAPI description says of every handler beyond what the handler itself says.

Errors have the same shape everywhere, and which there may be follows from what a request brings:
who asks, parameters, a path, a body.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

__all__ = ["Described", "complete"]

_ERROR: Final = "Error"
_LOOKING: Final = ("get", "head", "options")
_MEANS: Final = {
    "400": "Bad input: the detail names the place and what is allowed",
    "401": "No token, or one that is good for nothing",
    "403": "Not with this token, or not from there",
    "404": "There is no such thing",
    "409": "Not as things stand",
    "413": "Too large",
    "415": "A content type that is not taken",
    "429": "Too much at once: again after Retry-After seconds",
    "503": "The database is away: again after Retry-After seconds",
}
_SHAPE: Final = {
    "type": "object",
    "description": "What every refusal says.",
    "required": ["detail"],
    "properties": {
        "status_code": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, for people."},
    },
}


class Described(JsonRenderPlugin):
    """The description as JSON, completed."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """As the base class."""
        return super().render(request, complete(openapi_schema))


def complete(schema: dict[str, Any]) -> dict[str, Any]:
    """A description with everybody's errors, and bodies closed where unknown fields are refused."""
    whole = deepcopy(schema)
    schemas = whole.setdefault("components", {}).setdefault("schemas", {})
    schemas[_ERROR] = _SHAPE
    for struct in _closed(msgspec.Struct):
        if struct in schemas:
            schemas[struct]["additionalProperties"] = False
    for path, item in whole["paths"].items():
        content = _OURS if path.startswith("/api/v1/") else _THEIRS
        for method, operation in item.items():
            if isinstance(operation, dict):
                _add_errors(method, operation, content)
    return whole


#: Errors of the API; and those that are told as a protocol of somebody else's wants it.
_OURS: Final = {"application/json": {"schema": {"$ref": f"#/components/schemas/{_ERROR}"}}}
_THEIRS: Final[dict[str, Any]] = {"application/json": {}, "application/x-protobuf": {}}


def _add_errors(method: str, operation: dict[str, Any], content: dict[str, Any]) -> None:
    told = operation.setdefault("responses", {})
    for status in _statuses(method, operation):
        # What a handler itself says of an error stays, but for what Litestar guesses of 400.
        if status not in told or status == "400":
            told[status] = {"description": _MEANS[status], "content": content}


def _statuses(method: str, operation: dict[str, Any]) -> Iterator[str]:
    """Which errors there may be."""
    yield from ("400", "401", "403", "429", "503")
    changes = method not in _LOOKING
    if changes or operation.get("parameters"):
        yield "404"
    if changes:
        yield from ("409", "413", "415")


def _closed(struct: type[msgspec.Struct]) -> Iterator[str]:
    """The names of Tocsin's structs that refuse unknown fields."""
    for one in struct.__subclasses__():
        if one.__module__.startswith("tocsin.") and one.__struct_config__.forbid_unknown_fields:
            yield one.__name__
        yield from _closed(one)
