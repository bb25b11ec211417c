from __future__ import annotations

from sqlalchemy import Engine

from tocsin.store.commits import Commit, Writer
from tocsin.store.intake import Intake


def row(source: str, position: int, at: int) -> dict[str, object]:
    return {"source": source, "position": position, "at": at, "receipt": "{}"}


def test_late_samples_are_found_by_their_times(database: Engine) -> None:
    late = [
        {"metric": metric, "timestamp": time, "value": time / 2, "arrived": 9}
        for metric in (1, 2)
        for time in range(0, 3_000, 2)
    ]
    Writer(database).commit(Commit(late=late))
    intake = Intake(database)
    assert intake.late_at(1, range(1_400)) == {time: time / 2 for time in range(0, 1_400, 2)}
    assert intake.late_at(3, [2, 4]) == {}
    assert [r["timestamp"] for r in intake.late(2, after=4, limit=2)] == [6, 8]
    assert [r["timestamp"] for r in intake.late(2, after=None, limit=2)] == [0, 2]


def test_the_last_deliveries_come_oldest_first(database: Engine) -> None:
    writer, intake = Writer(database), Intake(database)
    writer.commit(Commit(deliveries=[row("a", 1, 30), row("b", 2, 10), row("c", 3, 20)]))
    writer.commit(Commit(deliveries=[row("b", 4, 40)]))
    assert [(r["source"], r["position"], r["at"]) for r in intake.deliveries(2)] == [
        ("a", 1, 30),
        ("b", 4, 40),
    ]
    found = intake.delivery("b")
    assert found is not None
    assert (found["position"], found["receipt"]) == (4, "{}")
    assert intake.delivery("d") is None


def test_refusals_add_up_by_reason(database: Engine) -> None:
    writer, intake = Writer(database), Intake(database)
    for count, value in ((2, "nan"), (3, "inf")):
        refusal = {"metric": 1, "reason": "late", "at": count, "timestamp": 7, "value": value}
        other = {**refusal, "metric": 2}
        another = {**refusal, "reason": "conflict"}
        writer.commit(Commit(refusals=[{**r, "count": count} for r in (refusal, other, another)]))
    found = [(r["reason"], r["count"], r["at"], r["value"]) for r in intake.refusals(1)]
    assert found == [("conflict", 5, 3, "inf"), ("late", 5, 3, "inf")]
    assert intake.refusals(3) == []
