"""Attributes as labels."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

__all__ = ["chosen", "labels_of"]

#: Names and texts, sorted.
Labels = tuple[tuple[str, str], ...]

#: No label's text needs more bytes as a message. It is not read then, but stood in for by a text
#: that is as long, and for which the metric is refused.
_LARGEST: Final = 32_768


def labels_of(attributes: Iterable[KeyValue]) -> Labels:
    """Each attribute as text; what is no text as JSON."""
    return tuple(sorted([(one.key, _text(one.value)) for one in attributes]))


def chosen(attributes: Iterable[KeyValue], patterns: Sequence[str]) -> Labels:
    """The labels of those whose name fits one of the patterns (``k8s.*``)."""
    return labels_of(
        one for one in attributes if any(fnmatchcase(one.key, pattern) for pattern in patterns)
    )


def _text(value: AnyValue) -> str:
    if value.HasField("string_value"):
        return value.string_value
    if value.ByteSize() > _LARGEST:
        return " " * _LARGEST
    plain = _plain(value)
    return "" if plain is None else json.dumps(plain, ensure_ascii=False)


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return {one.key: _plain(one.value) for one in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind)
