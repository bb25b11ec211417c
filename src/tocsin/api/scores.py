"""``GET /metrics/scores``: the last results of chosen metrics, for Prometheus to scrape."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

from litestar import Response, get
from litestar.params import QueryParameter

from tocsin.api.parts import Parts
from tocsin.errors import BadInputError
from tocsin.publish.series import FAMILIES, Labels, labels_of
from tocsin.samples import SECOND_NS

__all__ = ["scores"]

#: Metrics of one answer: what is usual, and at most.
_USUAL: Final = 1_000
_MOST: Final = 10_000
#: Patterns of one request.
_PATTERNS: Final = 20
#: What is older is left out: Prometheus would refuse it.
_OLD_NS: Final = 3_600 * SECOND_NS
_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

Match = Annotated[
    list[str] | None,
    QueryParameter(description='patterns of names, or of name{key="value"}, as in [[watch]]'),
]
Limit = Annotated[int, QueryParameter(ge=1, le=_MOST, description="metrics at most")]


@get(
    "/metrics/scores",
    media_type=_TYPE,
    summary="The last results of chosen metrics (Prometheus)",
    sync_to_thread=True,
)
def scores(state: Parts, match: Match = None, limit: Limit = _USUAL) -> Response[bytes]:
    """Anomaly and alert score, expectation, band and value of metrics, with their samples' times.

    Name them: ``?match=web.*&match=*{host="a"}``. What is older than an hour is left out, and so is
    what is not known.
    """
    patterns = match or []
    if not 1 <= len(patterns) <= _PATTERNS or not all(0 < len(one) <= 300 for one in patterns):
        raise BadInputError(f"match: name 1 to {_PATTERNS} patterns, such as ?match=web.*")
    registry = state.engine.registry
    rows = state.matching.rows(patterns, limit)
    ids = {int(registry.position["id"][row]): row for row in rows}
    since = time.time_ns() - _OLD_NS
    told = []
    for sample in state.reader.last_results(list(ids)):
        if sample["timestamp"] >= since:
            told.append((labels_of(registry.metrics[ids[sample["metric"]]]), sample))
    text = "".join(_lines(_distinct(told)))
    return Response(text.encode(), media_type=_TYPE)


def _distinct(
    told: Iterable[tuple[Labels, Mapping[Any, Any]]],
) -> list[tuple[Labels, Mapping[Any, Any]]]:
    """Without those that are called like one before."""
    found: dict[Labels, Mapping[Any, Any]] = {}
    for labels, sample in told:
        found.setdefault(labels, sample)
    return list(found.items())


def _lines(told: Sequence[tuple[Labels, Mapping[Any, Any]]]) -> Iterator[str]:
    for name, (field, about) in FAMILIES.items():
        yield f"# HELP {name} {about}\n# TYPE {name} gauge\n"
        for labels, sample in told:
            value = sample[field]
            if field == "value" and sample["rate"] is not None:
                value = sample["rate"]
            if value is not None and math.isfinite(value):
                pairs = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels)
                at = sample["timestamp"] // 1_000_000
                yield f"{name}{{{pairs}}} {value!r} {at}\n"
