"""Which names and labels a metric may have, whatever protocol brings them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tocsin.errors import BadInputError
from tocsin.samples import Metric

__all__ = ["metric_of"]

_MOST_CHARACTERS: Final = 2_048
_MOST_LABELS: Final = 64
#: Control characters, and halves of surrogate pairs, which no encoding can hold.
_NEVER: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def metric_of(name: str, labels: Mapping[str, str]) -> Metric:
    """A metric from what a stranger sent. Errors: `BadInputError` says what is wrong."""
    if not name.strip():
        raise BadInputError("the metric's name is empty")
    if len(labels) > _MOST_LABELS:
        raise BadInputError(f"{len(labels)} labels, more than {_MOST_LABELS}")
    if not all(labels):
        raise BadInputError("a label's name is empty")
    text = "".join([name, *labels, *labels.values()])
    if len(text) > _MOST_CHARACTERS:
        raise BadInputError(f"name and labels have more than {_MOST_CHARACTERS} characters")
    if _NEVER.search(text):
        raise BadInputError("the name or a label holds a control character or half a character")
    return Metric.of(name, labels)
