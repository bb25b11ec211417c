from __future__ import annotations

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.engine.index import Index, words_of
from tocsin.samples import Metric

#: Few letters, so that they meet; and everything that means something in a title.
TEXT = st.text(st.sampled_from('aAbB.{},="\\ \n'), min_size=1, max_size=6)
METRIC = st.builds(Metric.of, TEXT, st.dictionaries(TEXT, TEXT, max_size=3))


def found(index: Index, metrics: list[Metric], text: str) -> list[int]:
    """As the interface finds them."""
    words = words_of(text)
    rows = np.flatnonzero(index.rows(words)).tolist()
    return [row for row in rows if words.loose.are_in(metrics[row])]


def slowly(metrics: list[Metric], text: str) -> list[int]:
    words = words_of(text)
    titles = [str(metric).lower() for metric in metrics]
    return [
        row
        for row, title in enumerate(titles)
        if all(any(form in title for form in word) for word in words)
    ]


@given(st.lists(METRIC, max_size=8), st.text(st.sampled_from('abAB.{}="\\, '), max_size=8))
def test_what_is_found_is_what_has_all_words(metrics: list[Metric], text: str) -> None:
    assert found(Index(metrics), metrics, text) == slowly(metrics, text)


@given(st.lists(METRIC, min_size=1, max_size=8), st.data())
def test_every_part_of_a_title_finds_it(metrics: list[Metric], data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(metrics) - 1))
    title = str(metrics[row])
    begin = data.draw(st.integers(0, len(title) - 1))
    part = title[begin : data.draw(st.integers(begin + 1, len(title)))]
    assert row in found(Index(metrics), metrics, part)


def test_what_comes_later_is_found_too() -> None:
    metrics = [Metric.of("web.latency", {"host": "a"})]
    index = Index(metrics)
    assert found(index, metrics, "latency") == [0]
    metrics.append(Metric.of("db.latency", {"host": "b"}))
    assert found(index, metrics, "latency") == [0, 1]
    assert found(index, metrics, "host=b") == [1]
    assert found(index, metrics, "web host=b") == []


@pytest.mark.parametrize("count", [1, 3, 10, 100])
@given(st.lists(st.lists(st.sampled_from(string.ascii_lowercase[:3]), min_size=1, max_size=4)))
def test_names_are_sorted_part_by_part(count: int, names: list[list[str]]) -> None:
    metrics = [Metric.of(".".join(name)) for name in names]
    index = Index(metrics)
    rows = np.flatnonzero(index.rows(words_of("")))
    expected = sorted(range(len(names)), key=lambda row: (names[row], row))
    assert index.by_name(rows, count) == expected[:count]
