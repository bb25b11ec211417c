"""Scraping real HTTP servers, which tell what they showed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.running import running
from tocsin.config import Config, Scrape, load
from tocsin.errors import ConfigurationError
from tocsin.ingest.scrape import Target, targets_of
from tocsin.samples import SECOND_NS


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        server.asked.append({name.lower(): text for name, text in self.headers.items()})
        if server.mode == "hangs":
            time.sleep(2)
        count = len(server.asked)
        body = f"# TYPE visits_total counter\nvisits_total {count}\nroom {count / 4}\n".encode()
        if server.mode == "damaged":
            body = b"no metrics here\n"
        if server.mode == "endless":
            body = b"x 1\n" * 1_000_000
        self.send_response(500 if server.mode == "broken" else 200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, mode: str) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.mode = mode
        self.asked: list[dict[str, str]] = []


@contextmanager
def page(mode: str = "well") -> Iterator[_Server]:
    with _Server(mode) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def address(server: _Server) -> str:
    return f"127.0.0.1:{server.server_address[1]}"


def test_what_targets_show_is_stored_and_one_that_is_down_harms_no_other(tmp_path: Path) -> None:
    modes = ("well", "hangs", "damaged", "endless", "broken")
    tables = []
    with ExitStack() as stack:
        servers = {mode: stack.enter_context(page(mode)) for mode in modes}
        well = servers["well"]
        for mode, server in servers.items():
            tables.append(
                f'[[scrape]]\njob = "{mode}"\ntargets = ["{address(server)}"]\n'
                'interval = 0.25\ntimeout = 0.2\nlabels = {zone = "z"}\ntoken = "secret"\n'
            )
        config = tmp_path / "tocsin.toml"
        config.write_text("max_body_bytes = 1_000_000\n" + "\n".join(tables))
        with running(tmp_path / "data", "--config", str(config)) as service:
            deadline = time.monotonic() + 60
            while len(well.asked) < 10 or len(servers["broken"].asked) < 3:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            time.sleep(0.5)
            metrics = service.get("metrics", limit=1000)["metrics"]
            visits = service.samples("visits_total")
            by_job = {
                mode: {m["name"]: m for m in metrics if m["labels"]["job"] == mode}
                for mode in modes
            }
            ups = {
                mode: {
                    one["value"]
                    for one in service.get(f"metrics/{mine['up']['uid']}/samples")["samples"]
                }
                for mode, mine in by_job.items()
            }
    report = {"up", "scrape_duration_seconds", "scrape_samples_scraped"}
    assert set(by_job["well"]) == {"visits_total", "room"} | report
    labels = {"job": "well", "instance": address(well), "zone": "z"}
    assert by_job["well"]["room"]["labels"] == labels
    # Every answer that was given is stored, once, in order.
    values = [one["value"] for one in visits]
    assert len(values) >= 10
    assert values == list(range(1, len(values) + 1))
    assert ups.pop("well") == {1.0}
    assert all(up == {0.0} for up in ups.values()), ups
    assert all(set(by_job[mode]) == report for mode in ups)
    assert all(asked["authorization"] == "Bearer secret" for asked in well.asked)


def test_times_are_regular_and_spread() -> None:
    targets = [Target(f"http://h{i}/metrics", {}, 15.0, 10.0) for i in range(200)]
    now = 1_700_000_000_123_456_789
    for target in targets:
        due = target.due_after(now)
        assert now < due <= now + 15 * SECOND_NS
        assert target.due_after(due) == due + 15 * SECOND_NS
    offsets = sorted(target.offset / 1_000 for target in targets)
    assert offsets[0] < 1
    assert offsets[-1] > 14


def test_targets() -> None:
    scrape = Scrape(
        job="node", targets=["a:9100", "https://u:p@b/x?y=1"], scheme="https", labels={"az": "1"}
    )
    one, two = targets_of([scrape])
    assert (one.url, one.labels) == (
        "https://a:9100/metrics",
        {"job": "node", "instance": "a:9100", "az": "1"},
    )
    assert (two.url, two.labels["instance"]) == ("https://u:p@b/x?y=1", "b")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('targets = ["a:1"]', "job"),
        ('job = "a"\ntargets = []', "targets"),
        ('job = "a"\ntargets = ["a b"]', "HOST:PORT"),
        ('job = "a"\ntargets = ["ftp://a"]', "HOST:PORT"),
        ('job = "a"\ntargets = ["a:99999"]', "HOST:PORT"),
        ('job = "a"\ntargets = ["a:1", "a:1"]', "twice"),
        ('job = "a"\ntargets = ["a:1"]\ninterval = 0', "interval"),
        ('job = "a"\ntargets = ["a:1"]\npath = "x"', "path"),
    ],
)
def test_bad_tables_are_told(tmp_path: Path, table: str, told: str) -> None:
    path = tmp_path / "tocsin.toml"
    path.write_text(f"[[scrape]]\n{table}\n")
    with pytest.raises(ConfigurationError, match=told):
        load(path, {}, {})


def test_by_itself_nothing_is_scraped() -> None:
    assert Config().scrape == []
