"""What a Prometheus target shows: the text format 0.0.4 and OpenMetrics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from tocsin.engine.batch import Reason
from tocsin.errors import BadInputError, TimestampError
from tocsin.ingest.columns import Columns
from tocsin.ingest.decoded import Decoded
from tocsin.ingest.identity import metric_of
from tocsin.ingest.moments import seconds_ns
from tocsin.ingest.remote_write.counters import BY_TYPE, Type, suffix_of

__all__ = ["ACCEPT", "PROTOCOL", "decode"]

#: Under this name the samples are counted.
PROTOCOL: Final = "scrape"

#: What a scrape asks for: OpenMetrics rather than text.
ACCEPT: Final = (
    "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)

_OPENMETRICS: Final = "application/openmetrics-text"
#: The longest line (characters): a parser's time grows with its square.
_LONGEST: Final = 16_384
#: What the parsers raise on texts that are none.
_DAMAGED: Final = (ValueError, IndexError, KeyError, AttributeError, TypeError, OverflowError)

_TYPES: Final = {
    "counter": Type.COUNTER,
    "gauge": Type.GAUGE,
    "histogram": Type.HISTOGRAM,
    "gaugehistogram": Type.GAUGE_HISTOGRAM,
    "summary": Type.SUMMARY,
    "info": Type.INFO,
    "stateset": Type.STATE_SET,
}
#: Counters whose names do not end as they should; the parser gives them that end.
_COUNTER: Final = re.compile(r"^#[ \t]+TYPE[ \t]+(\S+)[ \t]+counter[ \t]*$", re.MULTILINE)
_TOTAL: Final = "_total"


def decode(body: bytes, content_type: str, at: int, labels: Mapping[str, str]) -> Decoded:
    """The samples of one scrape.

    ``at``: the time (ns) of samples that have none of their own; ``labels``: the target's, which
    win: a sample's own label of that name is renamed ``exported_…``, as Prometheus does.
    Errors: `BadInputError` when the text cannot be read: then nothing of it is taken.
    Cost: about 50 µs a sample, most of it in the parser.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadInputError(f"the target's text is not UTF-8: {error}") from error
    if max(map(len, text.split("\n"))) > _LONGEST:
        raise BadInputError(f"a line has more than {_LONGEST} characters")
    modern = content_type.partition(";")[0].strip().lower() == _OPENMETRICS
    unusual = set() if modern else {n for n in _COUNTER.findall(text) if not n.endswith(_TOTAL)}
    columns = Columns(PROTOCOL)
    try:
        for family in _families(text, modern):
            kind = _TYPES.get(family.type, Type.UNKNOWN)
            longer = kind is Type.COUNTER and family.name in unusual
            for sample in family.samples:
                name = sample.name.removesuffix(_TOTAL) if longer else sample.name
                _add(columns, name, kind, sample, at, labels)
    except _DAMAGED as error:
        told = " ".join(str(error).split())[:200]
        raise BadInputError(f"the target's text cannot be read: {told}") from error
    return columns.done()


def _families(text: str, modern: bool) -> Iterable[Any]:
    module: Any = openmetrics_parser if modern else parser
    families: Iterable[Any] = module.text_string_to_metric_families(text)
    return families


def _add(
    columns: Columns, name: str, kind: Type, sample: Any, at: int, labels: Mapping[str, str]
) -> None:
    place = len(columns.value) + len(columns.rejected)
    index = columns.index_of(
        (name, *sample.labels.items()),
        lambda: metric_of(name, _merged(sample.labels, labels)),
        counter=_counts(name, kind),
    )
    try:
        moment = at if sample.timestamp is None else seconds_ns(float(sample.timestamp))
    except TimestampError as error:
        columns.refuse(place, Reason.BAD_TIMESTAMP, str(error))
    else:
        columns.add(place, index, moment, float(sample.value))


def _counts(name: str, kind: Type) -> bool:
    """Whether a family's series is a counter; the moment when it was created is none."""
    return bool(BY_TYPE[kind, suffix_of(name)]) and not name.endswith("_created")


def _merged(own: Mapping[str, str], target: Mapping[str, str]) -> dict[str, str]:
    """A sample's labels and its target's; empty ones are none."""
    merged = {label: value for label, value in own.items() if value and label not in target}
    for label in own.keys() & target.keys():
        if own[label]:
            renamed = f"exported_{label}"
            while renamed in own or renamed in target:
                renamed = f"exported_{renamed}"
            merged[renamed] = own[label]
    return merged | dict(target)
