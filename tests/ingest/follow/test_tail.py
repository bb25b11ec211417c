from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.ingest.follow.tail import LONGEST, Tail

HEADER = b"time,value"


class Book:
    """What is stored of each source."""

    def __init__(self) -> None:
        self.tails: list[Tail] = []
        self.positions: dict[str, int] = {}
        self.lines: list[bytes] = []
        self.broken = 0

    def position(self, source: str) -> int:
        return self.positions.get(source, 0)

    def tail(self, path: Path, *, header: bool = True) -> Tail:
        """What begins to read after whoever did so before has gone."""
        for tail in self.tails:
            tail.close()
        self.tails.append(Tail(path, self.position, header=header))
        return self.tails[-1]

    def read(self, tail: Tail, polls: int = 8) -> list[bytes]:
        """Poll a few times; returns the lines that came."""
        before = len(self.lines)
        for _ in range(polls):
            piece = tail.poll()
            if piece is not None:
                assert piece.position > self.position(piece.source)
                self.positions[piece.source] = piece.position
                self.lines += piece.lines
                self.broken += piece.broken
        return self.lines[before:]


@pytest.fixture(name="path")
def path_fixture(tmp_path: Path) -> Path:
    return tmp_path / "log.csv"


@pytest.fixture(name="book")
def book_fixture() -> Iterator[Book]:
    book = Book()
    yield book
    for tail in book.tails:
        tail.close()


def append(path: Path, *lines: bytes, end: bytes = b"\n") -> None:
    with path.open("ab") as file:
        file.write(b"\n".join(lines) + end)


def test_lines_come_when_they_are_whole(path: Path, book: Book) -> None:
    tail = book.tail(path)
    assert book.read(tail) == []
    append(path, HEADER, end=b"")
    assert book.read(tail) == []
    append(path, b"", b"1,1", b"2,", end=b"")
    assert book.read(tail) == [b"1,1"]
    append(path, b"2", b"3,3")
    assert book.read(tail) == [b"2,2", b"3,3"]
    assert book.read(tail) == []


def test_a_restart_goes_on_where_it_was(path: Path, book: Book) -> None:
    append(path, HEADER, b"1,1", b"2,2")
    assert book.read(book.tail(path)) == [b"1,1", b"2,2"]
    append(path, b"3,3")
    assert book.read(book.tail(path)) == [b"3,3"]


def test_a_position_within_a_line_reads_the_line_again(path: Path, book: Book) -> None:
    append(path, HEADER, b"1,1", b"2,2")
    book.read(book.tail(path))
    (source,) = book.positions
    book.positions[source] -= 2
    assert book.tail(path).poll() is not None
    assert book.read(book.tail(path)) == [b"2,2"]


def test_rotation_is_followed_to_the_end_of_the_old_file(path: Path, book: Book) -> None:
    tail = book.tail(path)
    append(path, HEADER, b"1,1")
    assert book.read(tail) == [b"1,1"]
    old = path.rename(path.with_name("log.csv.1"))
    append(old, b"2,2")
    append(path, HEADER, b"3,3")
    append(old, b"4,4", b"half", end=b"")
    assert book.read(tail) == [b"2,2", b"4,4", b"3,3"]
    assert book.broken == 1


def test_rotation_while_nobody_looked_is_found_at_the_start(path: Path, book: Book) -> None:
    append(path, HEADER, b"0,0")
    path.rename(path.with_name("log.csv.9"))  # older than the first look
    append(path, HEADER, b"1,1")
    os.utime(path.with_name("log.csv.9"), (1, 1))
    assert book.read(book.tail(path)) == [b"1,1"]
    append(path, b"2,2")
    os.utime(path, (2, 2))
    path.rename(path.with_name("log.csv.2"))
    append(path, HEADER, b"3,3")
    os.utime(path, (3, 3))
    path.rename(path.with_name("log.csv.1"))
    append(path, HEADER, b"4,4")
    assert book.read(book.tail(path), 20) == [b"2,2", b"3,3", b"4,4"]
    assert book.read(book.tail(path), 20) == []


def test_truncation_is_noticed_even_when_the_file_has_grown_again(path: Path, book: Book) -> None:
    tail = book.tail(path)
    append(path, HEADER, b"1,1", b"2,2")
    assert book.read(tail) == [b"1,1", b"2,2"]
    path.write_bytes(b"")
    append(path, HEADER, b"3,3")
    assert book.read(tail) == [b"3,3"]
    path.write_bytes(b"")
    append(path, HEADER, *(b"%d,4" % number for number in range(100)))
    assert len(book.read(tail)) == 100


def test_a_line_that_is_too_long_is_left_out(path: Path, book: Book) -> None:
    tail = book.tail(path)
    append(path, HEADER, b"1,1", b"x" * 3 * LONGEST, b"2,2")
    assert book.read(tail, 20) == [b"1,1", b"2,2"]
    assert book.broken == 1


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_every_line_comes_once_whatever_happens_between(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = random.Random(seed)
    path = tmp_path_factory.mktemp("tail") / "log.ndjson"
    book, written, number = Book(), list[bytes](), 0
    tail = book.tail(path, header=False)
    clock = 1_000_000
    for _ in range(chance.randrange(1, 30)):
        what = chance.random()
        if what < 0.5:
            line = b'{"n": %d}' % number
            number += 1
            append(path, line)
            written.append(line)
            clock += 1
            os.utime(path, (clock, clock))
        elif what < 0.7:
            book.read(tail, chance.randrange(1, 4))
        elif what < 0.85 and path.exists() and book.positions:
            path.rename(path.with_name(f"log.ndjson.{number}-{clock}"))
        elif what < 0.95:
            tail = book.tail(path, header=False)
    append(path, b'{"last": 1}')
    written.append(b'{"last": 1}')
    book.read(tail, 200)
    # What was rotated away before anybody looked for the first time is not asked for.
    assert book.lines == written[len(written) - len(book.lines) :]
    assert len(book.lines) >= len(set(book.lines)) == len(book.lines)
    tail.close()
