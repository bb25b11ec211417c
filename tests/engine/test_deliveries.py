from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.engine.batch import Batch, Reason, Receipt, Rejection
from tocsin.engine.deliveries import KEYS_KEPT_NS, SOURCES_KEPT_NS, Deliveries
from tocsin.samples import Metric, Samples

NOW = 1_700_000_000_000_000_000


def batch(source: str | None, position: int = 0, values: tuple[float, ...] = (1.0, 2.0)) -> Batch:
    count = len(values)
    samples = Samples(
        np.zeros(count, dtype=np.int64), np.arange(1, count + 1), np.array(values, dtype=np.float64)
    )
    return Batch([Metric.of("m")], samples, "test", source=source, position=position)


class Book:
    """A book over what a database would hold; counts what it is asked."""

    def __init__(self, most: int = 100) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.asked = 0
        self.most = most
        self.reopen()

    def reopen(self) -> None:
        known = sorted(self.rows.values(), key=lambda row: row["at"])[-self.most :]
        self.book = Deliveries(known, self.find, most=self.most)

    def find(self, source: str) -> dict[str, Any] | None:
        self.asked += 1
        return self.rows.get(source)

    def group(self, batches: list[Batch], now: int = NOW) -> tuple[list[int], list[Receipt]]:
        """As the engine does it: which batches had an effect, and all answers."""
        admitted = self.book.admit(batches, now)
        answers = admitted.answers([receipt_of(batches[place]) for place in admitted.fresh])
        for row in self.book.record(batches, admitted, answers, now):
            self.rows[row["source"]] = row
        return admitted.fresh, answers


def receipt_of(batch: Batch) -> Receipt:
    rejected = [
        Rejection(1, Reason.LATE, "too late: ‟so”"),
        Rejection(2, Reason.CONFLICT, "another"),
        Rejection(3, Reason.LATE, "too late: ‟so”"),
    ]
    return Receipt(len(batch) + batch.position, 2, rejected, late=3)


def test_what_comes_again_is_answered_the_same_without_effect() -> None:
    book = Book()
    sent = [batch("s", 4), batch(None), batch("http:k", 1)]
    fresh, first = book.group(sent)
    assert fresh == [0, 1, 2]
    for _ in range(2):
        fresh, again = book.group([sent[2], sent[0], sent[1]])
        assert fresh == [2]
        assert again == [first[2], first[0], first[1]]
        book.reopen()


def test_what_was_passed_is_all_duplicates() -> None:
    book = Book()
    book.group([batch("s", 4)])
    fresh, (answer, other) = book.group([batch("s", 3), batch("s", 4, (9.0, 9.0, 9.0))])
    assert fresh == []
    assert (answer, other) == (Receipt(0, 2), Receipt(0, 3))


def test_the_same_batch_twice_in_one_group() -> None:
    book = Book()
    sent = [batch("s", 1), batch("s", 1), batch("s", 2), batch("s", 1), batch("s", 2)]
    fresh, answers = book.group(sent)
    assert fresh == [0, 2]
    one, two = receipt_of(sent[0]), receipt_of(sent[2])
    assert answers == [one, one, two, Receipt(0, 2), two]
    assert book.rows["s"]["position"] == 2


def test_a_key_that_is_used_for_something_else_loses_nothing_silently() -> None:
    book = Book()
    other = batch("http:k", 1, (1.0, 3.0))
    _, (_, within) = book.group([batch("http:k", 1), other])
    fresh, (later,) = book.group([other])
    assert fresh == []
    for answer in (within, later):
        assert (answer.accepted, answer.duplicates) == (0, 0)
        assert [(r.index, r.code) for r in answer.rejected] == [
            (0, Reason.KEY_REUSED),
            (1, Reason.KEY_REUSED),
        ]
    renamed = Batch([Metric.of("n")], other.samples, "test", source="http:k", position=1)
    assert book.group([renamed])[1][0].rejected


def test_batches_without_a_source_are_always_news_and_ask_nothing() -> None:
    book = Book()
    for _ in range(2):
        assert book.group([batch(None), batch(None)])[0] == [0, 1]
    assert (book.asked, book.rows) == (0, {})


def test_new_sources_ask_nothing_while_all_are_known() -> None:
    book = Book()
    for number in range(20):
        book.group([batch(f"http:{number}", 1), batch("s", number)])
    assert book.asked == 0


def test_keys_are_forgotten_after_a_day_and_sources_later() -> None:
    for most in (100, 1):  # 1: known only by asking the database
        book = Book(most)
        sent = [batch("http:k", 1), batch("s", 1)]
        book.group(sent)
        assert book.group(sent, NOW + KEYS_KEPT_NS - 1)[0] == []
        assert book.group(sent, NOW + KEYS_KEPT_NS)[0] == [0]
        assert book.group(sent[1:], NOW + SOURCES_KEPT_NS - 1)[0] == []
        assert book.group(sent[1:], NOW + SOURCES_KEPT_NS)[0] == [0]


an_attempt = st.tuples(st.sampled_from([None, "a", "b", "http:1", "http:2"]), st.integers(0, 3))


@settings(max_examples=200)
@given(
    st.lists(st.lists(an_attempt, max_size=5) | st.none(), max_size=8),
    st.sampled_from([1, 2, 100]),
)
def test_each_position_of_a_source_has_effect_once(
    groups: list[list[tuple[str | None, int]] | None], most: int
) -> None:
    book = Book(most)
    last: dict[str, int] = {}
    for number, group in enumerate(groups):
        if group is None:
            book.reopen()
            continue
        batches = [batch(source, position) for source, position in group]
        expected, passed = [], []
        for place, (source, position) in enumerate(group):
            before = last.get(source, -1) if source else -1
            if position > before:
                expected.append(place)
            elif position < before:
                passed.append(place)
            if source:
                last[source] = max(position, before)
        fresh, answers = book.group(batches, NOW + number)
        assert fresh == expected
        for place, answer in enumerate(answers):
            assert (answer == receipt_of(batches[place])) == (place not in passed)
