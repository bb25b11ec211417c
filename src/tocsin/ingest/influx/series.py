"""Which metrics a line's measurement, tags and fields stand for."""

from __future__ import annotations

import re
from typing import Final

from tocsin.errors import BadInputError
from tocsin.ingest.identity import metric_of
from tocsin.ingest.influx.lines import plain
from tocsin.samples import Metric

__all__ = ["Series"]

#: The name of a field that says nothing: its metric is called as the measurement.
_VALUE: Final = "value"
_COMMA: Final = re.compile(rb"(?<!\\),")
_EQUALS: Final = re.compile(rb"(?<!\\)=")


class Series:
    """A measurement with its tags; or, in ``trouble``, why it is none."""

    __slots__ = ("labels", "measurement", "trouble")

    def __init__(self, key: bytes) -> None:
        self.measurement, self.labels, self.trouble = "", dict[str, str](), ""
        try:
            self.measurement, self.labels = _parts(key)
        except UnicodeDecodeError:
            self.trouble = "measurement or tags are not UTF-8"
        except BadInputError as error:
            self.trouble = str(error)

    def metric(self, field: bytes) -> Metric | str:
        """The metric of a field; or why there is none."""
        if self.trouble:
            return self.trouble
        try:
            name = plain(field).decode()
            whole = self.measurement if name == _VALUE else f"{self.measurement}.{name}"
            return metric_of(whole, self.labels)
        except UnicodeDecodeError:
            return "a field's name is not UTF-8"
        except BadInputError as error:
            return str(error)


def _parts(key: bytes) -> tuple[str, dict[str, str]]:
    measurement, *tags = _COMMA.split(key)
    if not measurement:
        raise BadInputError("missing measurement")
    labels = dict(_tag(tag) for tag in tags)
    if len(labels) < len(tags):
        raise BadInputError("duplicate tags")
    return plain(measurement, measurement=True).decode(), labels


def _tag(tag: bytes) -> tuple[str, str]:
    name, *values = _EQUALS.split(tag)
    if not name:
        raise BadInputError("missing tag key")
    if not values or not values[0]:
        raise BadInputError("missing tag value")
    if len(values) > 1:
        raise BadInputError("invalid tag format")
    return plain(name).decode(), plain(values[0]).decode()
