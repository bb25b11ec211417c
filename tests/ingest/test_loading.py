from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.engine.batch import Batch, Reason, Receipt, Rejection
from tocsin.errors import BadInputError, StoreError
from tocsin.ingest.files import ReadOptions, read_file
from tocsin.ingest.files.reading import Series
from tocsin.ingest.http_json import decode
from tocsin.ingest.loading import Load, Loaded, Naming, batches_of, source_of
from tocsin.ingest.remote import body_of
from tocsin.samples import SECOND_NS, Metric, Samples

START = 1_700_000_000 * SECOND_NS


def series(name: str, count: int, step: int = 60) -> Series:
    times = START + np.arange(count, dtype=np.int64) * step * SECOND_NS
    values = np.random.default_rng(count).normal(size=count)
    return Series(Metric.of(name), times, values, 0, 0, 0, step * SECOND_NS, True)


def rows_of(batches: Iterator[Batch]) -> list[tuple[str, int, float]]:
    found = []
    for batch in batches:
        s = batch.samples
        for which, time, value in zip(s.metric, s.timestamp, s.value, strict=True):
            found.append((str(batch.metrics[which]), int(time), float(value)))
    return found


@dataclass
class Remembering:
    """A sink that keeps what it was sent, and stops answering after so many batches."""

    known: int = 0
    answers: int = 1_000
    batches: list[Batch] = field(default_factory=list)

    def position(self, source: str) -> int:
        return self.known

    def send(self, batch: Batch) -> Receipt:
        if len(self.batches) >= self.answers:
            raise StoreError("gone")
        self.batches.append(batch)
        return Receipt(len(batch) - 1, 0, [Rejection(0, Reason.LATE, "too late")])


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 90)), min_size=1, max_size=4),
    st.integers(1, 50),
    st.integers(0, 60),
)
def test_batches_hold_every_sample_once_in_order_of_time(
    shapes: list[tuple[int, int]], rows: int, after: int
) -> None:
    all_series = [series(f"m{i}", count, step) for i, (count, step) in enumerate(shapes)]
    metrics = [one.metric for one in all_series]
    batches = list(batches_of(metrics, all_series, "s", after=after, rows=rows))
    total = sum(count for count, _ in shapes)
    assert all(0 < len(batch) <= rows for batch in batches)
    assert all(np.all(np.diff(batch.samples.timestamp) >= 0) for batch in batches)
    ends = np.cumsum([len(batch) for batch in batches]) + after
    assert [batch.position for batch in batches] == ends.tolist()
    if batches:
        assert batches[-1].position == total
    whole = rows_of(batches_of(metrics, all_series, "s", rows=1_000_000))
    assert rows_of(iter(batches)) == whole[after:]
    expected = Counter(
        (str(one.metric), int(t), float(v))
        for one in all_series
        for t, v in zip(one.timestamps, one.values, strict=True)
    )
    assert Counter(whole) == expected


def test_a_load_goes_on_where_the_sink_is() -> None:
    one = series("m", 95)
    first, told = Remembering(answers=3), list[int]()
    cut = Loaded(Path("f"), "s")
    with pytest.raises(StoreError):
        Load(first, 10).file(cut, [one.metric], [one], told.append)
    assert cut.done == sum(told) == 30
    assert (cut.accepted, cut.refused) == (27, Counter({"late": 3}))
    second = Remembering(known=first.batches[-1].position)
    after = Loaded(Path("f"), "s")
    Load(second, 10).file(after, [one.metric], [one], told.append)
    assert (after.before, after.done) == (30, 95)
    both = rows_of(iter(first.batches)) + rows_of(iter(second.batches))
    assert both == rows_of(batches_of([one.metric], [one], "s"))


def test_the_source_is_the_file_and_how_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("timestamp,value\n2024-01-01T00:00:00Z,1\n")
    plain = source_of(file, ReadOptions(), Naming())
    assert source_of(file, ReadOptions(), Naming()) == plain
    others = [
        source_of(file, ReadOptions(timezone="Europe/Berlin"), Naming()),
        source_of(file, ReadOptions(), Naming("x.{name}")),
        source_of(file, ReadOptions(), Naming(labels={"a": "b"})),
    ]
    file.write_text("timestamp,value\n2024-01-01T00:00:00Z,2\n")
    others.append(source_of(file, ReadOptions(), Naming()))
    assert len({plain, *others}) == 5


def test_a_source_can_be_a_header(tmp_path: Path) -> None:
    file = tmp_path / ("Größe\n" + "x" * 150 + ".csv")
    file.write_text("1")
    source = source_of(file, ReadOptions(), Naming())
    assert source.isascii()
    assert source.isprintable()
    assert len(source) < 200


def test_metrics_are_named_by_a_template(tmp_path: Path) -> None:
    file = tmp_path / "group" / "one.csv.gz"
    naming = Naming("nab.{folder}.{file}.{name}", {"from": "file"})
    found = naming.of(Metric.of("value", {"host": "a"}), file)
    assert str(found) == 'nab.group.one.value{from="file",host="a"}'


@pytest.mark.parametrize("template", ["{other}", "{", "{0}", "{name.x}", "{name[0]}", ""])
def test_a_template_that_cannot_be_used_is_refused(template: str) -> None:
    try:
        named = Naming(template).of(Metric.of("abc"), Path("f.csv"))
    except BadInputError:
        return
    # Python's own way to take a part of a text: harmless.
    assert (template, named.name) == ("{name[0]}", "a")


@given(
    st.lists(
        st.tuples(
            st.integers(1, 9_214_646_399 * SECOND_NS),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_a_body_reads_back_exactly(samples: list[tuple[int, float]]) -> None:
    times, values = (np.array(column) for column in zip(*samples, strict=True))
    metrics = [Metric.of("a", {"k": "v"}), Metric.of('b"')]
    which = np.arange(len(times)) % 2
    batch = Batch(metrics, Samples(which, times.astype(np.int64), values), "test")
    read = decode(body_of(batch), 100)
    assert read.rejected == []
    assert rows_of(iter([read.batch])) == rows_of(iter([batch]))


def test_a_real_file(tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    lines = [f"2024-01-01T00:{m:02}:00Z,{m},{-m}" for m in range(60)]
    file.write_text("\n".join(["timestamp,up,down", *lines]) + "\n")
    reading = read_file(file)
    batches = list(batches_of([s.metric for s in reading.series], reading.series, "s", rows=40))
    assert [len(batch) for batch in batches] == [40, 40, 40]
    assert {str(m) for m in batches[0].metrics} == {"up", "down"}
