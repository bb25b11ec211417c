"""A short replay, and what the judge says of made-up records."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.running import run
from tocsin.bench.outage.causes import Cause, Hit, disturbed, plan
from tocsin.bench.outage.fleet import END_NS, KINDS, Track, fleet
from tocsin.bench.outage.judge import judge
from tocsin.bench.outage.replay import Recorded, TrackEvent, replay
from tocsin.samples import Metric

MINUTE = 60 * 10**9


@pytest.fixture(scope="module")
def quiet() -> list[Track]:
    return fleet(48, 5, 1.0, nab=None, data=None, seed=3)


def test_a_fleet_is_whole_hosts_on_one_time_axis(quiet: list[Track]) -> None:
    assert len({one.metric for one in quiet}) == 48
    hosts = [[one for one in quiet if one.label("host") == f"host-{n:02d}"] for n in range(6)]
    assert [sorted(one.metric.name for one in host) for host in hosts] == [sorted(KINDS)] * 6
    assert {int(one.timestamps[-1]) for one in quiet} == {END_NS - 5 * MINUTE}
    again = fleet(48, 5, 1.0, nab=None, data=None, seed=3)
    assert all(np.array_equal(a.values, b.values) for a, b in zip(quiet, again, strict=True))


def test_real_series_end_together_and_keep_their_intervals(shared: Path) -> None:
    tracks = fleet(96, 14, 4, nab=shared / "nab", data=None, seed=0)
    real = [one for one in tracks if one.origin.endswith(".csv")]
    assert len(real) > 30
    for one in real:
        step = int(np.median(np.diff(one.timestamps)))
        assert one.timestamps[-1] == END_NS - step
        assert np.all(np.diff(one.timestamps) > 0)


def test_what_goes_wrong_is_far_from_what_is_usual(quiet: list[Track]) -> None:
    causes = plan(quiet, 1.0, 3)
    assert {one.scope for one in causes} >= {"host", "service", "single"}
    wrong = disturbed(quiet, causes, 3)
    for hit in (hit for cause in causes for hit in cause.hits):
        before, after = quiet[hit.track], wrong[hit.track]
        rows = (before.timestamps >= hit.first) & (before.timestamps <= hit.last)
        assert rows.sum() >= 3
        assert np.all(before.values[rows] != after.values[rows])


def test_a_replay_finds_every_outage_and_tells_each_once(
    quiet: list[Track], tmp_path: Path
) -> None:
    causes = plan(quiet, 1.0, 3)
    recorded = replay(disturbed(quiet, causes, 3), 1.0, tmp_path)
    found = judge(quiet, causes, recorded)
    assert found.samples == 48 * 288
    common = found.of(common=True)
    assert common
    assert all(one.found for one in common), "nothing is missed"
    assert np.mean([one.purity for one in common]) > 0.7
    assert sum(one.together for one in common) > 0.8 * sum(one.seen for one in common)
    assert found.anomalous > found.events > found.incidents
    # Everybody is told once of each change.
    assert len(set(recorded.messages)) == len(recorded.messages)
    assert found.messages["opened"] == found.messages["resolved"] == found.incidents


def a_track(name: str) -> Track:
    times = END_NS - 5 * MINUTE * np.arange(288)[::-1]
    labels = np.zeros(288, dtype=bool)
    labels[200] = True
    return Track(Metric.of(name), "made", times, np.zeros(288), labels)


def test_the_judge_tells_found_from_missed_and_split_from_glued() -> None:
    tracks = [a_track(name) for name in "abcdef"]
    at = int(tracks[0].timestamps[100])
    hits = [tuple(Hit(track, at, at + 30 * MINUTE) for track in some) for some in ((0, 1), (2, 3))]
    causes = [Cause(0, "host", "x", hits[0]), Cause(1, "host", "y", hits[1])]
    labelled = int(tracks[4].timestamps[200])
    events = [
        TrackEvent(0, at, at, 1),
        TrackEvent(1, at + MINUTE, at, 2),
        TrackEvent(2, at, at, 1),
        TrackEvent(4, labelled, labelled, 3),
        TrackEvent(5, at, at, 4),
    ]
    told = [(1, "opened", at + 5 * MINUTE), (3, "opened", at), (1, "resolved", at)]
    recorded = Recorded(1_000, 50, events, told, dict.fromkeys(range(5), "t"))
    found = judge(tracks, causes, recorded)
    first, second = found.covered
    assert (first.seen, first.incidents, first.main, first.together) == (2, 2, 1, 1)
    assert (first.purity, first.told_after) == (0.5, 5.0)
    assert (second.seen, second.incidents, second.hit) == (1, 1, 2)
    assert (found.glued, found.own_events, found.own_incidents) == (1, 1, 1)
    assert (found.labelled_events, found.incidents) == (1, 4)
    missed = judge(tracks, causes, Recorded(1, 0))
    assert not any(one.found for one in missed.covered)


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    done = run(
        *("bench", "outage", "--metrics", "16", "--days", "3", "--judged", "1"),
        *("--json", "out.json"),
        cwd=tmp_path,
    )
    assert (done.returncode, "incidents" in done.stdout) == (0, True), done.stderr
    (figures,) = json.loads((tmp_path / "out.json").read_text())
    assert figures["metrics"] == 16
    assert len(figures["covered"]) > 2
    bad = run("bench", "outage", "--metrics", "3", cwd=tmp_path)
    assert bad.returncode == 2
    assert "--metrics must be at least 16" in bad.stderr
