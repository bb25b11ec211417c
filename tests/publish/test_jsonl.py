from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.publish.world import START, World, an_event
from tocsin.errors import OutputError
from tocsin.publish import jsonl
from tocsin.publish.delivery import Delivery, Gap
from tocsin.publish.jsonl import JsonLinesFile
from tocsin.samples import iso

Opened = Callable[..., JsonLinesFile]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens files, and closes them at the end."""
    with ExitStack() as stack:

        def open_one(path: Path, **options: bool) -> JsonLinesFile:
            file = JsonLinesFile(path, **options)
            stack.callback(file.close)
            return file

        yield open_one


def lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text("utf-8")
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_every_sample_and_event_is_a_line(world: World, tmp_path: Path, opened: Opened) -> None:
    world.commit([0, 0, 0, 1], events=[(1, an_event(START))])
    out = opened(tmp_path / "results.jsonl")
    (item,) = world.outbox.after(0)
    assert isinstance(item, Delivery)
    out.write(item)
    out.sync()
    out.close()
    *samples, event = lines(tmp_path / "results.jsonl")
    assert [(s["name"], s["seq"]) for s in samples] == [("m0", 1), ("m0", 2), ("m0", 3), ("m1", 1)]
    third = samples[2]
    assert third == {
        "kind": "sample",
        "position": 1,
        "metric": world.registry.uids[0],
        "name": "m0",
        "labels": {"dc": "b", "host": "a"},
        "generation": 1,
        "seq": 3,
        "timestamp": iso(int(item.timestamp[2])),
        "value": 4.5,
        **{name: float(item.scored[name][2]) for name in ("raw_score", "likelihood", "upper")},
        **{name: float(item.scored[name][2]) for name in ("anomaly_score", "alert_score")},
        **{name: float(item.scored[name][2]) for name in ("expected", "lower", "rate")},
        "event": "quiet",
    }
    assert samples[0]["likelihood"] is None  # not known yet
    assert samples[1]["event"] is None  # stored without being scored
    assert (event["kind"], event["id"], event["open"], event["start"]) == (
        "event",
        10,
        True,
        iso(START),
    )


def test_events_alone_and_gaps_and_what_is_missing(
    world: World, tmp_path: Path, opened: Opened
) -> None:
    world.commit([0, 0], events=[(0, an_event(START))])
    (item,) = world.outbox.after(0)
    out = opened(tmp_path / "events.jsonl", samples=False)
    out.write(item)
    out.write(Gap(3, 9, "gone"))
    assert [line["kind"] for line in lines(tmp_path / "events.jsonl")] == ["event", "gap"]
    assert lines(tmp_path / "events.jsonl")[1] == {
        "kind": "gap",
        "position": 9,
        "after": 3,
        "resumes": 9,
        "reason": "gone",
    }
    opened(tmp_path / "all.jsonl").write(Delivery(4, missing=7))
    assert lines(tmp_path / "all.jsonl") == [{"kind": "missing", "position": 4, "samples": 7}]


@pytest.mark.parametrize("block", [5, 65_536])
def test_half_a_line_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, opened: Opened
) -> None:
    monkeypatch.setattr(jsonl, "_BLOCK", block)
    path = tmp_path / "results.jsonl"
    out = opened(path)
    out.write(Gap(1, 2, "a"))
    out.write(Gap(2, 3, "b"))
    out.close()
    whole = path.read_bytes()
    for cut in range(len(whole) // 2 + 1, len(whole)):
        path.write_bytes(whole[:cut])
        again = opened(path)
        again.write(Gap(2, 3, "b"))
        again.close()
        assert path.read_bytes() == whole
    path.write_bytes(whole[:4])  # the first line of all
    opened(path).write(Gap(1, 2, "a"))
    assert lines(path) == lines(path)[:1]


def test_a_file_of_something_else_is_left_alone(tmp_path: Path, opened: Opened) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not ours\nand no end")
    with pytest.raises(OutputError, match=r"notes\.txt is there already"):
        opened(path)
    assert path.read_text() == "not ours\nand no end"


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, opened: Opened) -> None:
    path = tmp_path / "results.jsonl"
    out = opened(path)
    out.write(Gap(1, 2, "a"))
    before, (_, most) = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file of this process may grow beyond this: a write stops in the middle of a line.
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, most))
    try:
        for _ in range(2):
            with pytest.raises(OutputError, match=r"results\.jsonl cannot be written: File too"):
                out.write(Gap(2, 3, "b"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert path.read_bytes() == before
    out.write(Gap(2, 3, "b"))
    assert [line["after"] for line in lines(path)] == [1, 2]


def test_a_file_that_is_moved_away_is_begun_anew(tmp_path: Path, opened: Opened) -> None:
    path = tmp_path / "results.jsonl"
    out = opened(path)
    out.write(Gap(1, 2, "a"))
    path.rename(tmp_path / "results.1")
    out.write(Gap(2, 3, "b"))
    path.write_bytes(b"")  # emptied in place, as some rotate
    out.write(Gap(3, 4, "c"))
    assert [line["after"] for line in lines(tmp_path / "results.1")] == [1]
    assert [line["after"] for line in lines(path)] == [3]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, opened: Opened) -> None:
    with pytest.raises(OutputError, match=r"nowhere/results\.jsonl cannot be written: No such"):
        opened(tmp_path / "nowhere" / "results.jsonl")
