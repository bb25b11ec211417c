"""Ctrl-C that waits."""

from __future__ import annotations

import signal

import pytest

from tocsin.cli.interrupts import Hold


def test_an_interruption_waits_for_the_end() -> None:
    hold = Hold()
    hold.start()
    signal.raise_signal(signal.SIGINT)
    done = True
    with pytest.raises(KeyboardInterrupt):
        hold.end()
    assert done
    hold.end()


def test_afterwards_it_interrupts_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    hold = Hold()
    for _ in range(2):
        hold.start()
        hold.start()
        hold.end()
    assert signal.getsignal(signal.SIGINT) == before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
