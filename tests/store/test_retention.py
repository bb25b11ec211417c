from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from tests.store.making import MINUTE, MONTHS_END, a_metric, a_state, joined, position, samples
from tocsin.store import schema
from tocsin.store.commits import Commit, Writer
from tocsin.store.retention import Keep, Retention

HOUR = 60 * MINUTE
DAY = 24 * HOUR


def seqs(database: Engine, metric: int = 1) -> list[int]:
    c = schema.sample.c
    with database.connect() as connection:
        mine = select(c.seq).where(c.metric == metric).order_by(c.seq)
        return list(connection.execute(mine).scalars())


def fill(database: Engine, metric: int, times: list[int], *states: int, scored: int = 0) -> Writer:
    writer, last = Writer(database), len(times)
    at = position(metric, last, times[-1], scored_seq=scored or last)
    writer.commit(Commit(metrics=[a_metric(metric)], samples=samples(metric, times), positions=at))
    writer.save_snapshots([a_state(metric, seq) for seq in states], keep=9)
    return writer


def one_round(
    database: Engine, writer: Writer, keep_of: Callable[[int], Keep] | Keep, now: int
) -> int:
    told = (lambda _: keep_of) if isinstance(keep_of, Keep) else keep_of
    retention = Retention(database, writer, told, every_s=3600, clock=lambda: now)
    deleted = 0
    for _ in range(1_000):
        if retention.seconds_left() > 0:
            return deleted
        deleted += retention.work()
    raise AssertionError("the round does not end")


def test_by_count(database: Engine) -> None:
    writer = fill(database, 1, [MONTHS_END + i * MINUTE for i in range(20)], 20)
    assert one_round(database, writer, Keep(count=7), 0) == 13
    assert seqs(database) == list(range(14, 21))
    assert one_round(database, writer, Keep(count=7), 0) == 0
    assert one_round(database, writer, Keep(), 0) == 0


def test_by_age(database: Engine) -> None:
    times = [MONTHS_END + i * DAY for i in range(-40, 60)]
    writer = fill(database, 1, times, 100)
    now = times[-1]
    one_round(database, writer, Keep(age_ns=40 * DAY), now)
    first = times[seqs(database)[0] - 1]
    if database.dialect.name == "sqlite":
        assert first == now - 40 * DAY
    else:  # whole months
        assert first == next(t for t in times if t > MONTHS_END)
    assert len(seqs(database)) == seqs(database)[-1] - seqs(database)[0] + 1


def test_each_metric_has_its_own(database: Engine) -> None:
    times = [MONTHS_END + i * MINUTE for i in range(20)]
    for metric in (1, 2, 3):
        writer = fill(database, metric, times, 20)
    keeps = {1: Keep(count=5), 2: Keep(), 3: Keep(count=50)}
    assert one_round(database, writer, keeps.__getitem__, 0) == 15
    assert [len(seqs(database, m)) for m in keeps] == [5, 20, 20]


FAR = [MONTHS_END + i * MINUTE for i in range(20)]


@pytest.mark.parametrize(
    ("states", "scored", "reset", "first"),
    [
        ((8, 15), 20, 0, 9),  # the older of the kept snapshots may have to be used
        ((8, 15), 5, 0, 6),  # still to be scored
        ((), 20, 0, 1),  # no snapshot: everything must be learnt again
        ((), 20, 12, 13),  # but not what was learnt before a reset
        ((3,), 20, 12, 13),
    ],
)
def test_what_a_restart_replays_stays(
    database: Engine, states: tuple[int, ...], scored: int, reset: int, first: int
) -> None:
    writer = fill(database, 1, FAR, *states, scored=scored)
    writer.change_metric(1, learns_after=reset)
    for keep in (Keep(count=1), Keep(age_ns=1)):
        one_round(database, writer, keep, FAR[-1] + 400 * DAY)
        assert seqs(database) == list(range(first, 21))


def test_samples_that_nothing_learnt_need_no_snapshot(database: Engine) -> None:
    writer, new = Writer(database), samples(1, FAR)
    new.scored["event"] = -1
    at = position(1, 20, FAR[-1])
    writer.commit(Commit(metrics=[a_metric(1)], samples=new, positions=at))
    assert one_round(database, writer, Keep(count=4), 0) == 16


def test_snapshots_that_cannot_be_used_do_not_count(database: Engine) -> None:
    """The state is learnt anew then, and a restart does it again from the same samples."""
    writer = fill(database, 1, FAR, 8, 12)
    writer.save_snapshots([a_state(1, 15, of="new")], keep=9)
    for current, first in (("newer", 1), ("new", 16)):
        retention = Retention(
            database,
            writer,
            lambda _: Keep(count=1),
            hash_of=lambda _, c=current: c,  # type: ignore[misc]
        )
        while retention.seconds_left() == 0:
            retention.work()
        assert seqs(database)[0] == first


def test_late_samples_go_by_age(database: Engine) -> None:
    writer = fill(database, 1, FAR, 20)
    late = [{"metric": 1, "timestamp": t, "value": 1.0, "arrived": 1} for t in (5, FAR[3], FAR[9])]
    writer.commit(Commit(late=late))
    one_round(database, writer, Keep(DAY), FAR[3] + DAY)
    with database.connect() as connection:
        left = connection.execute(select(schema.late.c.timestamp)).scalars().all()
    assert sorted(left) == [FAR[3], FAR[9]]


def test_steps_are_small(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.store.retention._STEP", 10)
    monkeypatch.setattr("tocsin.store.retention._PIECE", 2)
    for metric in (1, 2, 3):
        writer = fill(database, metric, FAR, 20)
    retention = Retention(database, writer, lambda _: Keep(count=5), every_s=3600)
    steps = []
    while retention.seconds_left() == 0:
        steps.append(retention.work())
    assert max(steps) <= 10
    assert sum(steps) == 45
    assert [len(seqs(database, m)) for m in (1, 2, 3)] == [5, 5, 5]


def partitions_of(database: Engine) -> set[str]:
    from tocsin.store.postgresql import partitions

    with database.connect() as connection:
        return set(partitions(connection))


def test_partitions_that_nobody_needs_are_dropped(postgres_url: str) -> None:
    from tocsin.store.database import claim

    old = [MONTHS_END - 5 * DAY, MONTHS_END, MONTHS_END + MINUTE]
    new = [MONTHS_END + 100 * DAY]
    with claim(postgres_url) as engine:
        both = joined(samples(1, old + new), samples(2, old + new), samples(3, old[:1]))
        writer = Writer(engine)
        at = [position(m, 4, new[-1]) for m in (1, 2)]
        writer.commit(Commit(metrics=[a_metric(m) for m in (1, 2, 3)], samples=both))
        for moved in at:
            writer.commit(Commit(positions=moved))
        states: Mapping[int, int] = {1: 4, 2: 2}
        writer.save_snapshots([a_state(m, seq) for m, seq in states.items()], keep=2)
        writer.change_metric(3, deleted=1)
        keeps = {1: Keep(30 * DAY), 2: Keep(30 * DAY), 3: Keep(30 * DAY)}
        now = new[-1] + DAY
        one_round(engine, writer, keeps.__getitem__, now)
        # The second metric's restart begins after its second sample, in February.
        assert partitions_of(engine) == {"sample_2026_02", "sample_2026_05", "sample_2026_06"}
        assert (seqs(engine, 1), seqs(engine, 2), seqs(engine, 3)) == ([4], [3, 4], [])
        writer.save_snapshots([a_state(2, 4)], keep=1)
        longer = keeps | {1: Keep(400 * DAY)}
        one_round(engine, writer, longer.__getitem__, now)
        assert partitions_of(engine) == {"sample_2026_05", "sample_2026_06"}
        # What comes for a month that was dropped has a partition again.
        writer.commit(Commit(samples=samples(3, [MONTHS_END], first=9)))
        assert "sample_2026_01" in partitions_of(engine)


def test_a_metric_that_keeps_longer_keeps_the_partition(postgres_url: str) -> None:
    from tocsin.store.database import claim

    with claim(postgres_url) as engine:
        for metric in (1, 2):
            writer = fill(engine, metric, [MONTHS_END, MONTHS_END + 100 * DAY], 2)
        keeps = {1: Keep(30 * DAY), 2: Keep()}
        one_round(engine, writer, keeps.__getitem__, MONTHS_END + 101 * DAY)
        assert (seqs(engine, 1), seqs(engine, 2)) == ([2], [1, 2])
        assert "sample_2026_01" in partitions_of(engine)


def test_older_samples_go_before_a_partition_is_dropped(postgres_url: str) -> None:
    """Else the metric's seq would have a gap meanwhile."""
    from tocsin.store.database import claim

    with claim(postgres_url) as engine:
        writer = fill(engine, 1, [1, MONTHS_END, MONTHS_END + 100 * DAY], 3)
        retention = Retention(engine, writer, lambda _: Keep(DAY), clock=lambda: 2 * MONTHS_END)
        retention.work()
        assert seqs(engine) == [1, 2, 3]
        one_round(engine, writer, Keep(DAY), 2 * MONTHS_END)
        assert seqs(engine) == []
        one_round(engine, writer, Keep(DAY), 2 * MONTHS_END)
        assert partitions_of(engine) == set()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(data=st.data())
def test_like_a_plain_rule(database: Engine, data: st.DataObject) -> None:
    """Against the definition, sample by sample."""
    steps = data.draw(st.lists(st.integers(1, 40 * 24), min_size=1, max_size=30))
    times = (MONTHS_END + np.cumsum(steps) * HOUR).tolist()
    last = len(times)
    states = data.draw(st.sets(st.integers(1, last), max_size=2))
    scored = data.draw(st.integers(max(states, default=0), last))
    age = data.draw(st.none() | st.integers(0, 400 * 24).map(lambda h: h * HOUR))
    count = data.draw(st.none() | st.integers(0, 40))
    now = times[-1] + data.draw(st.integers(0, 100)) * HOUR
    with database.begin() as connection:
        for table in (schema.sample, schema.snapshot, schema.progress, schema.metric):
            connection.execute(delete(table))
    writer = Writer(database)
    at = position(1, last, times[-1], scored_seq=scored)
    writer.commit(Commit(metrics=[a_metric(1)], samples=samples(1, times), positions=at))
    writer.save_snapshots([a_state(1, seq) for seq in states], keep=9)
    one_round(database, writer, Keep(age, count), now)

    floor = min(min(states, default=0), scored)
    oldest = 0 if age is None else now - age
    if database.dialect.name == "postgresql" and age is not None:
        month = np.datetime64(oldest, "ns").astype("datetime64[M]")
        oldest = int(month.astype("datetime64[ns]").astype(np.int64))
    fewest = 0 if count is None else last - count
    stay = [
        seq for seq, time in enumerate(times, 1) if seq > floor or (time >= oldest and seq > fewest)
    ]
    assert seqs(database) == stay
