from __future__ import annotations

import json
import math
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.fuzz.query_range import one
from tocsin.engine.batch import Batch, Receipt
from tocsin.errors import BadInputError, StoreError
from tocsin.ingest.query_range import Api, Fetch, Fetched, Query, decode, duration_ms
from tocsin.ingest.remote_write.counters import Families

START, STEP, POINTS = 1_700_000_000_000, 15_000, 2_500
HOSTS = 3


class _Api(BaseHTTPRequestHandler):
    """Answers as Prometheus does, for a query whose values are known."""

    def do_GET(self) -> None:
        self._answer(200, {"data": {"visits": [{"type": "counter"}], "x": [{"type": "gauge"}]}})

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        told = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        start, end, step = (round(1000 * float(told[key][0])) for key in ("start", "end", "step"))
        times = range(start, end + 1, step)
        server.asked.append(len(times))
        if told["query"][0] == "bad(":
            self._answer(400, {"status": "error", "error": "parse error"})
        elif server.failures:
            self._answer(server.failures.pop(), {})
        elif len(times) > server.most:
            self._answer(400, {"error": "exceeded maximum resolution of 11,000 points"})
        else:
            self._answer(200, _matrix(times))

    def _answer(self, status: int, told: Any) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def value(host: int, at: int) -> float:
    return (at - START) / STEP * 0.1 + host


def _matrix(times: range) -> Any:
    result = [
        {
            "metric": {"__name__": "visits", "host": str(host), "none": ""},
            "values": [[at / 1000, repr(value(host, at))] for at in times],
        }
        for host in range(HOSTS)
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.asked: list[int] = []
        self.failures: list[int] = []
        self.most = 11_000

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


@pytest.fixture(name="server")
def server_fixture() -> Iterator[_Server]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def api(url: str) -> Iterator[Api]:
    made = Api(url)
    try:
        yield made
    finally:
        made.close()


class Book:
    """A sink that takes each position once, as the engine's book of deliveries does."""

    def __init__(self) -> None:
        self.last = 0
        self.taken: dict[tuple[str, int], float] = {}
        self.counters: set[str] = set()
        self.dies_in = math.inf

    def position(self, source: str) -> int:
        assert source.startswith("query_range:")
        return self.last

    def send(self, batch: Batch) -> Receipt:
        self.dies_in -= 1
        if self.dies_in < 0:
            raise StoreError("gone")
        assert batch.position > self.last
        assert batch.bulk
        self.last = batch.position
        receipt = Receipt(0, 0)
        s = batch.samples
        for which, at, told in zip(s.metric.tolist(), s.timestamp.tolist(), s.value, strict=True):
            key = (str(batch.metrics[which]), at)
            assert self.taken.setdefault(key, float(told)) == told
            receipt.accepted += 1
        self.counters |= {batch.metrics[i].name for i in batch.counters}
        return receipt


def query(url: str, **changes: Any) -> Query:
    told = Query(url, "visits", START, START + (POINTS - 1) * STEP, STEP)
    return replace(told, **changes)


def all_of_it() -> dict[tuple[str, int], float]:
    return {
        (f'visits{{host="{host}"}}', at * 1_000_000): value(host, at)
        for host in range(HOSTS)
        for at in range(START, START + POINTS * STEP, STEP)
    }


def ignore(_points: int, _samples: int) -> None:
    pass


def test_everything_is_fetched_once_in_answers_of_growing_size(server: _Server) -> None:
    book, fetched, told = Book(), Fetched(), []
    with api(server.url) as source:
        Fetch(source, book).run(
            query(server.url), fetched, lambda points, _samples: told.append(points)
        )
    assert book.taken == all_of_it()
    assert book.counters == {"visits"}
    assert fetched.samples == fetched.accepted == HOSTS * POINTS
    assert sum(server.asked) == POINTS
    assert server.asked == [200, 400, 800, 1100]
    assert told == [0, 200, 600, 1400, 2500]


def test_one_that_was_cut_off_anywhere_goes_on_there(server: _Server) -> None:
    for seed in range(5):
        rng, book, runs = random.Random(seed), Book(), 0
        while True:
            runs += 1
            book.dies_in = rng.randint(1, 40)
            with api(server.url) as source:
                try:
                    Fetch(source, book, rows=rng.randint(20, 200)).run(
                        query(server.url), Fetched(), ignore
                    )
                except StoreError:
                    continue
                break
        assert runs > 1
        assert book.taken == all_of_it()


def test_a_later_end_goes_on_where_the_earlier_one_ended(server: _Server) -> None:
    book = Book()
    with api(server.url) as source:
        half = query(server.url, end=START + POINTS // 2 * STEP)
        Fetch(source, book).run(half, Fetched(), ignore)
        server.asked.clear()
        Fetch(source, book).run(query(server.url), Fetched(), ignore)
    assert book.taken == all_of_it()
    assert sum(server.asked) < POINTS


def test_less_is_asked_for_where_it_was_too_much(server: _Server) -> None:
    server.most = 90
    book = Book()
    with api(server.url) as source:
        Fetch(source, book).run(query(server.url), Fetched(), ignore)
    assert book.taken == all_of_it()


def test_answers_for_later_are_waited_for(server: _Server) -> None:
    server.failures = [503, 429]
    told: list[str] = []
    source = Api(server.url, notice=told.append)
    assert b"matrix" in source.range("visits", START, START, STEP)
    source.close()
    assert told == ["429 Too Many Requests", "503 Service Unavailable"]


def test_a_bad_query_is_told(server: _Server) -> None:
    with api(server.url) as source, pytest.raises(BadInputError, match="parse error"):
        source.range("bad(", START, START, STEP)


def test_nobody_there_is_told() -> None:
    with api("http://127.0.0.1:9") as source, pytest.raises(StoreError, match="cannot reach"):
        source.range("up", START, START, STEP)


def answer(metric: dict[str, str], values: list[Any], kind: str = "matrix") -> bytes:
    result = [{"metric": metric, "values": values}]
    return json.dumps({"data": {"resultType": kind, "result": result}}).encode()


def test_values_as_prometheus_writes_them() -> None:
    told = answer({"__name__": "a"}, [[1.001, "1e3"], [2, "NaN"], [3, "+Inf"], [4, "-Inf"]])
    batch = decode(told, query("http://a"), Families(10))
    assert batch.samples.timestamp.tolist() == [1_001_000_000, 2 * 10**9, 3 * 10**9, 4 * 10**9]
    assert batch.samples.value[0] == 1000
    assert math.isnan(batch.samples.value[1])
    assert batch.samples.value[2:].tolist() == [math.inf, -math.inf]


def test_results_without_a_name_need_one() -> None:
    told = answer({"job": "a"}, [[1, "1"]])
    with pytest.raises(BadInputError, match="--metric NAME"):
        decode(told, query("http://a"), Families(10))
    named = query("http://a", template="rate_of_visits", labels={"from": "history"})
    batch = decode(told, named, Families(10))
    assert [str(m) for m in batch.metrics] == ['rate_of_visits{from="history",job="a"}']
    with pytest.raises(BadInputError, match="only"):
        decode(told, query("http://a", template="{host}"), Families(10))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        b'{"data": {"resultType": "vector", "result": []}}',
        answer({"__name__": "a"}, [[1, "x"]]),
        answer({"__name__": "a"}, [[1e300, "1"]]),
        answer({"__name__": "a\n"}, [[1, "1"]]),
    ],
)
def test_other_answers_are_told(body: bytes) -> None:
    with pytest.raises(BadInputError):
        decode(body, query("http://a"), Families(10))


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    one(body)


@pytest.mark.parametrize(
    ("text", "ms"), [("15s", 15_000), ("1m", 60_000), ("250ms", 250), ("2", 2000)]
)
def test_durations(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "0", "x", "1w", "-1s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(BadInputError, match="duration"):
        duration_ms(text)
