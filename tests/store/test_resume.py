from __future__ import annotations

import numpy as np
from sqlalchemy import Engine

from tests.store.making import MINUTE, MONTHS_END, a_metric, joined, results, samples
from tocsin.store.commits import Commit, Writer
from tocsin.store.resume import REPLAYED, Resume


def test_replay_is_in_order_after_each_metrics_own_seq(database: Engine) -> None:
    times = [MONTHS_END + i * MINUTE for i in range(50)]
    codes = results(50)
    codes["event"][[7, 20]] = -1
    codes["event"][-3:] = -2
    Writer(database).commit(
        Commit(
            metrics=[a_metric(n) for n in range(1, 5)],
            samples=joined(*(samples(n, times, scored=codes) for n in range(1, 5))),
        )
    )
    resume = Resume(database)
    after = np.array([40, 5, 47])
    for _ in range(2):  # the second start on one connection
        chunks = list(resume.replay(np.array([1, 3, 4]), after, chunk=16))
        assert {chunk.dtype for chunk in chunks} == {REPLAYED}
        assert max(len(chunk) for chunk in chunks) == 16
        found = np.concatenate(chunks)
        expected = [(1, s) for s in range(41, 48)]
        expected += [(3, s) for s in range(6, 48)]
        assert [(row["metric"], row["seq"]) for row in found] == expected
        assert found["seq"][found["event"] < 0].tolist() == [8, 21]
        assert np.array_equal(found["timestamp"], np.array(times)[found["seq"] - 1])
        assert np.array_equal(found["value"], found["seq"].astype(float))
    begun = resume.replay(np.array([1, 3, 4]), after, chunk=3)
    assert len(next(begun)) == 3
    begun.close()  # whoever reads may stop
    assert len(resume.held()) == 0
    assert list(resume.replay(np.empty(0, np.int64), np.empty(0, np.int64))) == []
    mine = resume.samples_after(2, 46, 3)
    assert [(row["seq"], row["event"]) for row in mine] == [(47, 0), (48, -2), (49, -2)]
    assert resume.samples_after(2, 7, 1)["event"] == [-1]
    assert len(resume.samples_after(2, 50, 3)) == 0


def test_deleted_metrics_are_remembered(database: Engine) -> None:
    writer, resume = Writer(database), Resume(database)
    assert (resume.last_metric(), resume.last_position(), resume.last_event()) == (0, 0, 0)
    again = {"name": "m", "labels": "{}"}
    writer.commit(
        Commit(
            17,
            metrics=[
                a_metric(1, **again, deleted=3),
                a_metric(2, **again, generation=2, deleted=4),
                a_metric(3, **again, generation=3, deleted=None),
                a_metric(4, deleted=5),
            ],
        )
    )
    assert [row["id"] for row in resume.metrics()] == [3]
    assert resume.generations() == {("m", "{}"): 2, ("m4", "{}"): 1}
    assert (resume.last_metric(), resume.last_position()) == (4, 17)


def test_a_deletion_that_was_cut_off_after_the_samples_is_found(database: Engine) -> None:
    writer = Writer(database)
    writer.commit(Commit(position=1, metrics=[a_metric(1)]))
    state = {"metric": 1, "seq": 1, "settings_hash": "h", "made": 1, "state": b"x"}
    writer.save_snapshots([state], 2)
    writer.change_metric(1, deleted=5)
    assert [row["id"] for row in Resume(database).deleted()] == [1]
    while writer.delete_metric_data(1, 100):
        pass
    assert Resume(database).deleted() == []
