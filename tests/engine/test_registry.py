from __future__ import annotations

import hashlib
import json
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.detect.result import Readiness
from tocsin.engine.lifecycle import Action, Standing, Status
from tocsin.engine.registry import NEVER, Registry, labels_json, uid_of
from tocsin.samples import Metric

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(TEXTS.filter(bool), st.dictionaries(TEXTS, TEXTS, max_size=4), st.integers(1, 10**6))
def test_names_are_those_of_json(name: str, labels: dict[str, str], generation: int) -> None:
    metric = Metric.of(name, labels)
    told = json.dumps(labels, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert labels_json(metric) == told
    whole = json.dumps([name, metric.labels, generation], ensure_ascii=False).encode()
    assert uid_of(metric, generation) == hashlib.blake2b(whole, digest_size=10).hexdigest()


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["ready", "pause", "remove"]))))
def test_statuses_are_counted_as_they_change(steps: list[tuple[int, str]]) -> None:
    registry, gone = Registry(10), set[int]()
    for number in range(10):
        registry.add(Metric.of(f"m{number}"))
    for row, what in steps:
        if row in gone:
            continue
        if what == "remove":
            registry.remove(row)
            gone.add(row)
        elif what == "pause":
            registry.put(row, Standing(Status.PAUSED, "asked", "why", 17))
        elif registry.standings[row].learns:
            registry.step(row, Action.READY)
    there = [s.status.value for row, s in enumerate(registry.standings) if row not in gone]
    assert registry.by_status() == dict(Counter(there))
    assert registry.live == len(there)


def test_rows_of_new_metrics_know_nothing() -> None:
    registry = Registry(100)
    for number in range(40):  # more than there is room for at first
        assert registry.add(Metric.of(f"m{number}"), counter=number == 7) == number
    position = registry.position
    assert position["id"].tolist() == list(range(1, 41))
    assert (position["timestamp"] == NEVER).all()
    assert (position["lane"] == -1).all()
    assert np.isnan(position["value"]).all()
    assert np.isnan(position["score"]).all()
    assert np.flatnonzero(position["counter"]).tolist() == [7]
    assert len({id(standing) for standing in registry.standings}) == 1


def test_a_warm_up_cannot_be_over_before_it_has_seen_enough() -> None:
    registry = Registry(10)
    row = registry.add(Metric.of("m"))
    registry.position["scored_seq"][row] = 100
    assert not registry.note_readiness(row, Readiness(90, 300))
    assert registry.position["ready_at"][row] == 310
    assert registry.note_readiness(row, Readiness(300, 300))
