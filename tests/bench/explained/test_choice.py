"""Which events are shown, by a rule."""

from pathlib import Path

import numpy as np
import pytest

from tocsin.bench.explained.choice import Shown, choose, shown
from tocsin.bench.nab.corpus import Corpus, NabFile
from tocsin.detect.events import Event
from tocsin.detect.result import RESULT
from tocsin.detect.settings import Settings

MINUTE = 60 * 10**9


def made(name: str, spike: int, window: tuple[int, int]) -> NabFile:
    rng = np.random.default_rng(7)
    values = rng.normal(10.0, 1.0, 2000)
    values[spike] = 500.0
    return NabFile(name, np.arange(2000, dtype=np.int64) * 5 * MINUTE, values, (window,))


def event(score: float, samples: int = 1) -> Event:
    return Event(0, 0, 0, 1.0, 1.0, 0.0, 2.0, score, 0.9, samples)


def one(name: str, score: float, samples: int = 1) -> Shown:
    file = NabFile(name, np.zeros(0, np.int64), np.zeros(0), ())
    return Shown(file, np.zeros(0, RESULT), event(score, samples), True)


def test_folders_take_turns_and_a_file_is_shown_once() -> None:
    found = [one("a/1", 0.9), one("a/1", 0.8), one("a/2", 0.85), one("b/1", 0.5), one("b/2", 0.4)]
    names = [each.file.name for each in choose(found, 3)]
    assert names == ["a/1", "b/1", "a/2"]


def test_of_equal_scores_the_longer_comes_first() -> None:
    assert [each.event.samples for each in choose([one("a/1", 1.0, 2), one("b/1", 1.0, 5)], 9)] == [
        5,
        2,
    ]


def test_right_and_wrong_are_told_by_the_windows() -> None:
    corpus = Corpus((made("x/right", 1500, (1490, 1510)), made("y/wrong", 1500, (1700, 1710))))
    found = shown(corpus, Settings())
    assert [(each.file.name, each.right) for each in found] == [
        ("x/right", True),
        ("y/wrong", False),
    ]
    assert "highest" in found[0].event.why


def test_an_event_in_probation_is_not_shown() -> None:
    assert shown(Corpus((made("x/early", 200, (190, 210)),)), Settings()) == []


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is in the extra 'bench'")
    from tocsin.bench.explained.picture import draw

    found = shown(Corpus((made("x/right", 1500, (1490, 1510)),)), Settings())
    draw(found[0], tmp_path / "event.png")
    assert (tmp_path / "event.png").read_bytes().startswith(b"\x89PNG")
