"""collectd's JSON, as its write_http plugin posts it: ``[{"values": [1], "dstypes": …}, …]``."""

from __future__ import annotations

import json
from typing import Final

import msgspec
import numpy as np

from tocsin.engine.batch import Reason
from tocsin.errors import BadInputError, TimestampError, TooLargeError
from tocsin.ingest.columns import Columns
from tocsin.ingest.http_json import Decoded
from tocsin.ingest.identity import metric_of
from tocsin.ingest.moments import seconds_ns
from tocsin.samples import Metric

__all__ = ["PROTOCOL", "decode"]

#: Under this name the samples are counted.
PROTOCOL: Final = "collectd"

#: Types of data sources: whose values only grow; and whose values begin anew at each reading.
_COUNTERS: Final = ("counter", "derive")
_ABSOLUTE: Final = "absolute"
_TYPES: Final = ("gauge", _ABSOLUTE, *_COUNTERS)
#: The data source that says nothing: its metric is called without it.
_VALUE: Final = "value"


class _List(msgspec.Struct, gc=False):
    """What one reading of a plugin found: a value for each data source of its type."""

    values: list[float | None]
    dstypes: list[str]
    dsnames: list[str]
    time: float
    host: str
    plugin: str
    type: str
    interval: float = 0.0
    plugin_instance: str = ""
    type_instance: str = ""


_BODY: Final = msgspec.json.Decoder(list[_List])


def decode(body: bytes, most: int) -> Decoded:
    """Read a body; each value is a sample of ``plugin.type.dsname``: ``interface.if_octets.rx``.

    The type is left out where it is called as the plugin, the data source where it is ``value``;
    ``host`` and the instances that there are become labels. Counters and derives are stored as
    sent and declared as counters, absolutes become rates per second over their interval.

    A rejection's place is its value list's number from 0; values that are no numbers
    (``Reason.NOT_FINITE``) are what collectd has where it could not read something.
    Errors: `BadInputError` when the body cannot be read at all, `TooLargeError` for more than
    ``most`` values. Cost: about 10 µs a value.
    """
    columns, places = Columns(PROTOCOL), list[int]()
    lists = _lists(body, columns)
    if sum(len(one.values) for _, one in lists) + len(columns.rejected) > most:
        raise TooLargeError(f"more than {most} values at once: send fewer")
    for place, one in lists:
        before = len(columns.value)
        _take(columns, place, one)
        places += [place] * (len(columns.value) - before)
    told = columns.done()
    rejected = sorted(told.rejected, key=lambda refused: refused.index)
    return Decoded(told.batch, np.array(places, dtype=np.int64), rejected)


def _lists(body: bytes, columns: Columns) -> list[tuple[int, _List]]:
    """Value lists with their places; what is none is refused by itself."""
    try:
        return list(enumerate(_BODY.decode(body)))
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        # Some writers put NaN where there is no number.
        items = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"the body is not JSON: {error}") from error
    if not isinstance(items, list):
        raise BadInputError("the body must be a list of collectd's value lists")
    good = []
    for place, item in enumerate(items):
        try:
            good.append((place, msgspec.convert(item, _List)))
        except msgspec.ValidationError as error:
            columns.refuse(place, Reason.BAD_TYPE, str(error))
        except UnicodeEncodeError:
            columns.refuse(place, Reason.BAD_TYPE, "a text holds half a character")
    return good


def _take(columns: Columns, place: int, one: _List) -> None:
    if not len(one.values) == len(one.dstypes) == len(one.dsnames):
        told = f"{len(one.values)} values, {len(one.dstypes)} types, {len(one.dsnames)} names"
        columns.refuse(place, Reason.BAD_TYPE, told)
        return
    try:
        time = seconds_ns(one.time)
    except TimestampError as error:
        columns.refuse(place, Reason.BAD_TIMESTAMP, str(error))
        return
    for value, kind, source in zip(one.values, one.dstypes, one.dsnames, strict=True):
        _value(columns, place, one, time, value, kind, source)


def _value(
    columns: Columns,
    place: int,
    one: _List,
    time: int,
    value: float | None,
    kind: str,
    source: str,
) -> None:
    if kind not in _TYPES:
        told = f"the type {kind[:20]!r} is none of {', '.join(_TYPES)}"
        columns.refuse(place, Reason.BAD_TYPE, told)
        return
    if value is None:
        columns.refuse(place, Reason.NOT_FINITE, "the value is null")
        return
    if kind == _ABSOLUTE:
        if not one.interval > 0:
            told = "an absolute value needs the interval in which it was counted"
            columns.refuse(place, Reason.BAD_TYPE, told)
            return
        value /= one.interval
    key = one.host, one.plugin, one.plugin_instance, one.type, one.type_instance, source
    counter = kind in _COUNTERS
    index = columns.index_of((*key, counter), lambda: _metric(one, source), counter=counter)
    columns.add(place, index, time, value)


def _metric(one: _List, source: str) -> Metric:
    """The metric of a data source. Errors: `BadInputError`."""
    if not one.plugin or not one.type:
        raise BadInputError("plugin and type must not be empty")
    parts = [one.plugin]
    if one.type != one.plugin:
        parts.append(one.type)
    if source and source != _VALUE:
        parts.append(source)
    labels = {
        "host": one.host,
        "plugin_instance": one.plugin_instance,
        "type_instance": one.type_instance,
    }
    return metric_of(".".join(parts), {name: text for name, text in labels.items() if text})
