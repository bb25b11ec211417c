"""Results as series: their labels, which metrics are chosen, and the message that carries them."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tocsin.bench.remote_write_messages import V1
from tocsin.publish.remote_write import request_of
from tocsin.publish.series import Chosen, labels_of
from tocsin.samples import Metric

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
label_names = st.text("ab_:0.é-", min_size=1, max_size=4)
floats = st.floats(allow_nan=False)


@given(texts, st.dictionaries(label_names, texts, max_size=5))
def test_labels_are_such_as_prometheus_takes(name: str, labels: dict[str, str]) -> None:
    found = labels_of(Metric.of(name, labels))
    assert list(found) == sorted(found)
    assert len(dict(found)) == len(found) == len(labels) + 1
    assert dict(found)["metric"] == name
    for key, value in found:
        assert re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", key)
        assert not key.startswith("__")
        assert value


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
            st.lists(st.tuples(floats, st.integers(-(2**62), 2**62)), max_size=4),
        ),
        max_size=4,
    )
)
def test_the_message_is_read_by_googles_library_as_it_was_written(series: Any) -> None:
    message = V1["WriteRequest"].FromString(request_of(series))
    read = [
        (
            tuple((label.name, label.value) for label in one.labels),
            [(sample.value, sample.timestamp) for sample in one.samples],
        )
        for one in message.timeseries
    ]
    assert read == series


def test_those_that_came_first_are_chosen_and_no_more_than_asked_for() -> None:
    chosen = Chosen(["web.*", '*{host="b"}'], most=3)
    metrics = [
        Metric.of("web.latency", {"host": "a"}),
        Metric.of("db.load", {"host": "a"}),
        Metric.of("db.load", {"host": "b"}),
        Metric.of("web.latency", {"host": "a"}),  # another generation
        Metric.of("web.errors", {}),
    ]
    found = [chosen.labels(f"u{n}", metric) for n, metric in enumerate(metrics)]
    assert found[:3] == [
        (("host", "a"), ("metric", "web.latency")),
        None,
        (("host", "b"), ("metric", "db.load")),
    ]
    assert found[3] == (("host", "a"), ("metric", "web.latency"), ("uid", "u3"))
    assert found[4] is None
    assert chosen.left_out == 1
    assert chosen.labels("u0", metrics[0]) == found[0]
