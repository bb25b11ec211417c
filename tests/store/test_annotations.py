from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.store.making import a_metric
from tocsin.errors import StoreError
from tocsin.store.annotations import Annotations
from tocsin.store.commits import Commit, Writer


def a_note(start: int, end: int, **more: Any) -> dict[str, Any]:
    told = {"metric": 1, "event": None, "kind": "note", "author": "me", "created": 5}
    return told | {"start": start, "end": end, "text": f"{start}"} | more


def test_annotations(database: Engine) -> None:
    writer = Writer(database)
    writer.commit(Commit(metrics=[a_metric(1), a_metric(2)]))
    annotations = Annotations(database, writer)
    first, second = (annotations.add(**a_note(start, start + 10)) for start in (100, 200))
    other = annotations.add(**a_note(100, 110, metric=2, kind="anomaly", event=7))
    assert len({first, second, other}) == 3

    def found(**query: Any) -> list[int]:
        return [row["id"] for row in annotations.of(1, **query)]

    assert found() == [first, second]
    assert found(start=110) == [first, second]
    assert found(start=111) == [second]
    assert found(end=200) == [first]
    assert found(after=first) == [second]
    assert found(limit=1) == [first]
    assert annotations.change(first, text="known", kind="known_change")
    told = annotations.get(first)
    assert told is not None
    assert (told["text"], told["kind"], told["start"]) == ("known", "known_change", 100)
    assert annotations.remove(first)
    assert annotations.get(first) is None
    assert not annotations.remove(first)
    assert not annotations.change(first, text="gone")
    with pytest.raises(StoreError):
        annotations.add(**a_note(1, 2, metric=99))
    while writer.delete_metric_data(2, 100):
        pass
    assert annotations.get(other) is None
