"""The short form of the campaigns, and that the driver finds what it is there to find."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.fuzz.campaign import Campaign, Target, save
from tests.fuzz.mutation import Mutator
from tests.fuzz.run import CORPUS, target, targets

INPUTS = 3_000


@pytest.mark.parametrize("name", targets())
def test_every_target_holds(name: str) -> None:
    outcome = Campaign(target(name), INPUTS, seed=1).run()
    assert outcome.failure is None, (outcome.failure, outcome.culprit)
    assert outcome.inputs == INPUTS


def test_a_wrong_exception_is_found_with_its_input(tmp_path: Path) -> None:
    def one(data: bytes) -> None:
        if b"bu" in data and data.endswith(b"g"):
            raise KeyError("planted")

    outcome = Campaign(Target("planted", one, [b"xbuxxg", b"bagbug"[:5]]), 200_000, seed=1).run()
    assert outcome.failure == "KeyError: 'planted'"
    assert b"bu" in outcome.culprit
    assert save(outcome, tmp_path / "found").read_bytes() == outcome.culprit


def test_an_input_that_takes_too_long_is_found() -> None:
    def one(data: bytes) -> None:
        if data != b"a":
            for _ in itertools.count():
                pass

    outcome = Campaign(Target("hanging", one, [b"a"]), 1_000).run()
    assert outcome.failure == "an input took more than 1 s"
    assert outcome.culprit != b"a"


@pytest.mark.parametrize("size", [2**30, 2**34])
def test_an_input_that_takes_too_much_memory_is_found(size: int) -> None:
    held = []

    def one(data: bytes) -> None:
        if data == b"bomb":
            held.append(bytearray(size))

    outcome = Campaign(Target("growing", one, [b"a", b"bomb"]), 10_000).run()
    held.clear()
    assert outcome.failure == "an input took more than 512 MB"


def test_inputs_with_a_new_result_become_seeds() -> None:
    def one(data: bytes) -> int:
        # Only step by step can this be reached.
        return next((i for i, (a, b) in enumerate(zip(data, b"abcd", strict=False)) if a != b), 4)

    campaign = Campaign(Target("steps", one, [b"...."], [b"a", b"b", b"c", b"d"]), 60_000, seed=3)
    assert campaign.run().kinds >= 4


def test_mutation_is_the_same_again_and_bounded() -> None:
    one, two = (Mutator([b"some seed", b"x" * 4_000], [b"token"], 5) for _ in range(2))
    told = [one.next() for _ in range(2_000)]
    assert told == [two.next() for _ in range(2_000)]
    assert len(set(told)) > 1_000
    assert max(map(len, told)) <= 4_096


def test_the_corpus_is_small_and_of_targets() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} <= set(targets())
    assert all(path.stat().st_size <= 512 for path in files)
    assert len(files) <= 40 * len(targets())
