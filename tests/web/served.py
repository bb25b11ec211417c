"""The live page on a small server that keeps the HTTP contract with generated data."""

from __future__ import annotations

import json
import math
import random
import threading
import time
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Row = dict[str, Any]

NEEDED = 150
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


def iso(seconds: float) -> str:
    """A time as the interface says it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def seconds_of(text: str) -> float:
    """The reverse of `iso`."""
    return datetime.fromisoformat(text).timestamp()


class World:
    """Metrics, samples and events as a running Tocsin would hold them; grows on demand."""

    def __init__(self, *, token: str | None = None, streams: bool = True) -> None:
        self.token, self.streams = token, streams
        self.metrics: dict[str, Row] = {}
        self.samples: dict[str, list[Row]] = {}
        self.events: list[Row] = []
        self.log: list[Row] = []
        self.changed = threading.Condition()
        self.closed = False
        self.asked: list[str] = []

    def add_metric(self, uid: str, name: str, samples: int = 400, *, labels: Row | None = None,
                   level: float = 40.0, step: float = 5.0) -> None:  # fmt: skip
        """A metric with this much history that ends now."""
        self.metrics[uid] = {"uid": uid, "name": name, "labels": labels or {}, "level": level}
        self.samples[uid] = []
        start = time.time() - samples * step
        for i in range(samples):
            self.grow(uid, at=start + i * step)

    def grow(self, uid: str, *, at: float | None = None, value: float | None = None) -> None:
        """One more sample; one far from the usual level opens an event."""
        with self.changed:
            rows, level = self.samples[uid], self.metrics[uid]["level"]
            at = time.time() if at is None else at
            usual = level + 0.3 * level * math.sin(at / 240)
            noise = random.Random(f"{uid}{len(rows)}").gauss(0, 0.04 * level)
            rows.append(self._row(uid, at, usual, usual + noise if value is None else value))
            self.log.append({"metric": uid, **rows[-1]})
            self.changed.notify_all()

    def _row(self, uid: str, at: float, usual: float, value: float) -> Row:
        rows = self.samples[uid]
        width = 0.2 * self.metrics[uid]["level"]
        ready = len(rows) >= NEEDED
        score = min(1.0, abs(value - usual) / width / 3) ** 2
        news = ready and score > 0.5 and not (rows and rows[-1]["event"])
        row = {
            "seq": len(rows) + 1, "timestamp": iso(at), "value": value, "raw_score": score,
            "likelihood": 1 - 10 ** (-10 * score) if ready else None,
            "anomaly_score": score if ready else None,
            "alert_score": (score if news else 0.0) if ready else None,
            "expected": usual, "lower": usual - width, "upper": usual + width,
            "event": "start" if news else "",
        }  # fmt: skip
        if news:
            self._begin(uid, row)
        return row

    def _begin(self, uid: str, row: Row) -> None:
        about = self.metrics[uid]
        self.events.insert(0, {
            "id": len(self.events) + 1, "metric": uid, "name": about["name"],
            "labels": about["labels"], "start": row["timestamp"], "peak": row["timestamp"],
            "end": row["timestamp"], "open": True, "samples": 1,
            **{k: row[k] for k in
               ("value", "expected", "lower", "upper", "likelihood", "anomaly_score")},
        })  # fmt: skip

    def about(self, uid: str) -> Row:
        """A metric as the list of metrics tells it."""
        rows, known = self.samples[uid], self.metrics[uid]
        last: Row = rows[-1] if rows else {}
        return {
            "uid": uid, "name": known["name"], "labels": known["labels"],
            "status": "active" if len(rows) >= NEEDED else "warming_up",
            "last_timestamp": last.get("timestamp"), "samples": len(rows),
            "last_value": last.get("value"), "anomaly_score": last.get("anomaly_score"),
            "readiness": {"seen": min(len(rows), NEEDED), "needed": NEEDED},
        }  # fmt: skip

    def answer(self, path: str, query: dict[str, str]) -> Row | None:
        """What the interface says to a GET, or None where there is nothing."""
        parts = path.split("/")
        if path == "metrics":
            return page("metrics", [self.about(uid) for uid in self.metrics], query)
        if path == "events":
            mine = [e for e in self.events if query.get("metric", e["metric"]) == e["metric"]]
            return page("events", between(mine, "end", query), query)
        if parts[0] == "metrics" and parts[2:] == ["samples"] and parts[1] in self.samples:
            rows = between(self.samples[parts[1]], "timestamp", query)
            return page("samples", rows[::-1] if query.get("order") == "desc" else rows, query)
        return None


def between(rows: list[Row], key: str, query: dict[str, str]) -> list[Row]:
    """Rows from ``start`` up to ``end``."""
    low = seconds_of(query["start"]) if "start" in query else -math.inf
    high = seconds_of(query["end"]) if "end" in query else math.inf
    return [row for row in rows if low <= seconds_of(row[key]) < high]


def page(name: str, rows: list[Row], query: dict[str, str]) -> Row:
    """One page of rows; small pages, so that the reader has to turn them."""
    start, limit = int(query.get("cursor", 0)), min(int(query.get("limit", 100)), 300)
    more = start + limit < len(rows)
    return {name: rows[start : start + limit], "cursor": str(start + limit) if more else None}


class Handler(BaseHTTPRequestHandler):
    """Serves page, chart library and interface."""

    def __init__(self, *args: Any, world: World) -> None:
        self.world = world
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests need no log."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.world.asked.append(self.path)
        if not url.path.startswith("/api/v1/"):
            self._file("index.html" if url.path == "/" else url.path.removeprefix("/static/"))
            return
        wanted = f"Bearer {self.world.token}"
        if self.world.token and self.headers.get("Authorization") != wanted:
            self._send(401, "application/json", b'{"detail": "a token is needed"}')
            return
        path = url.path.removeprefix("/api/v1/")
        if path == "stream" and self.world.streams:
            self._stream()
            return
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        with self.world.changed:
            said = self.world.answer(unquote(path), query)
        body = json.dumps(said or {"detail": "no such thing"}).encode()
        self._send(200 if said else 404, "application/json", body)

    def _file(self, name: str) -> None:
        plotly = find_spec("plotly")
        assert plotly is not None
        assert plotly.origin is not None
        path = Path(str(files("tocsin"))) / "web" / "static" / name
        if name == "plotly.min.js":
            path = Path(plotly.origin).parent / "package_data" / name
        if not path.is_file():
            self._send(404, "text/plain", b"")
            return
        self._send(200, TYPES[path.suffix], path.read_bytes())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        told, known = len(self.world.log), len(self.world.events)
        try:
            while not self.world.closed:
                with self.world.changed:
                    self.world.changed.wait(timeout=0.5)
                    samples = self.world.log[told:]
                    events = self.world.events[: len(self.world.events) - known]
                told, known = told + len(samples), known + len(events)
                message = json.dumps({"samples": samples, "events": events})
                self.wfile.write(f"data: {message}\n\n".encode() if samples else b": alive\n\n")
                self.wfile.flush()
        except OSError:
            return


class Server(ThreadingHTTPServer):
    """A `World` at a free port, from ``with`` to its end."""

    daemon_threads = False

    def __init__(self, world: World) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, world=world))
        self.world = world
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is nothing to report."""

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.world.closed = True
        self.shutdown()
        self.server_close()
        self._thread.join()
