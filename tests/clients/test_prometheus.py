"""A real Prometheus writes its own metrics here: what it holds is what is stored."""

from __future__ import annotations

import datetime as dt
import math
import os
import time
from pathlib import Path
from typing import Any

from tests.clients.prometheus import Prometheus, free_port, prometheus, wait_until
from tests.running import Service, run, running
from tocsin.samples import to_ns

LONG = os.environ.get("TOCSIN_CLIENTS") == "long"
#: Seconds of writing before and after each restart, and how many restarts there are.
PIECE_S = 60 if LONG else 6
RESTARTS = 4 if LONG else 1

Series = tuple[tuple[str, str], ...]
Sample = tuple[int, float]


def held(server: Prometheus, until: float, seconds: int) -> dict[Series, list[Sample]]:
    """What Prometheus holds of all series: milliseconds and values."""
    found = server.query(f'{{job="self"}}[{seconds}s]', time=f"{until:.3f}")
    return {
        tuple(sorted(one["metric"].items())): [
            (round(moment * 1000), float(value)) for moment, value in one["values"]
        ]
        for one in found
    }


def stored(service: Service, until: float) -> dict[Series, list[Sample]]:
    """What Tocsin holds, up to the same moment."""
    return {
        name_of(metric): [
            sample for sample in samples_of(service, metric["uid"]) if sample[0] <= until * 1000
        ]
        for metric in metrics_of(service)
    }


def name_of(metric: dict[str, Any]) -> Series:
    return tuple(sorted({"__name__": metric["name"], **metric["labels"]}.items()))


def names_of(service: Service) -> set[Series]:
    return {name_of(metric) for metric in metrics_of(service)}


def metrics_of(service: Service) -> list[dict[str, Any]]:
    found, cursor = [], None
    while True:
        page = service.get("metrics", limit=10_000, **({"cursor": cursor} if cursor else {}))
        found += page["metrics"]
        cursor = page["cursor"]
        if cursor is None:
            return found


def samples_of(service: Service, uid: str) -> list[Sample]:
    page = service.get(f"metrics/{uid}/samples", limit=10_000)
    assert page["cursor"] is None
    return [(milliseconds(one["timestamp"]), one["value"]) for one in page["samples"]]


def milliseconds(iso: str) -> int:
    return int(to_ns([dt.datetime.fromisoformat(iso)])[0]) // 1_000_000


def numbers(series: dict[Series, list[Sample]]) -> dict[Series, list[Sample]]:
    """Without what is no number, which is not stored."""
    left = {name: [one for one in them if math.isfinite(one[1])] for name, them in series.items()}
    return {name: them for name, them in left.items() if them}


def test_what_prometheus_holds_is_stored_through_restarts_of_tocsin(tmp_path: Path) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    began = time.time()
    with prometheus(tmp_path / "prometheus", f"http://{address}/api/v1/write") as server:
        for _ in range(RESTARTS):
            with running(tmp_path / "tocsin", http=address):
                time.sleep(PIECE_S)  # then it is killed, whatever it is doing
            time.sleep(2)
        with running(tmp_path / "tocsin", http=address) as service:
            time.sleep(PIECE_S)
            until = time.time()
            sent = "prometheus_remote_storage_queue_highest_sent_timestamp_seconds"
            wait_until(lambda: server.own(sent) > until, 60, "everything is sent")
            told = numbers(held(server, until, math.ceil(until - began)))
            kept = numbers(stored(service, until))
            failed = server.own("prometheus_remote_storage_samples_failed_total")
            dropped = server.own("prometheus_remote_storage_samples_dropped_total")
    count = sum(map(len, told.values()))
    assert len(told) > 300
    assert count > 300 * PIECE_S
    differing = {name for name in told.keys() | kept.keys() if told.get(name) != kept.get(name)}
    kept_count = sum(map(len, kept.values()))
    print(f"{len(told)} series: {count} held, {kept_count} stored, {len(differing)} differing")
    assert not differing
    assert (failed, dropped) == (0, 0)


def test_scraping_prometheus_finds_the_series_that_it_finds_itself(tmp_path: Path) -> None:
    with prometheus(tmp_path / "prometheus") as server:
        config = tmp_path / "tocsin.toml"
        config.write_text(
            f'[[scrape]]\njob = "self"\ntargets = ["127.0.0.1:{server.port}"]\ninterval = 1\n'
        )
        # What Prometheus adds of its own, beside what was scraped.
        own = {"scrape_samples_post_metric_relabeling", "scrape_series_added"}

        def told() -> set[Series]:
            found = numbers(held(server, time.time(), 3600))
            return {series for series in found if dict(series)["__name__"] not in own}

        with running(tmp_path / "tocsin", "--config", str(config)) as service:
            wait_until(lambda: len(told()) > 300, 60, "Prometheus has scraped itself")
            first = told()
            wait_until(lambda: first <= names_of(service), 60, "Tocsin has scraped it too")
            kept = names_of(service)
            # Prometheus may be a second behind.
            wait_until(lambda: kept <= told(), 60, "both have the same series")


def test_the_history_of_a_real_prometheus_is_fetched(tmp_path: Path) -> None:
    which = '{job="self",__name__=~"up|go_.*|prometheus_http_.*"}'
    with prometheus(tmp_path / "prometheus") as server:
        wait_until(lambda: len(held(server, time.time(), 60)) > 300, 60, "it has history")
        time.sleep(2)
        until = int(time.time())
        command = [
            *("load", "--prometheus", server.url, "--query", which, "--step", "1s"),
            *("--start", str(until - 120), "--end", str(until)),
        ]
        with running(tmp_path / "tocsin") as service:
            for _ in range(2):
                done = run(*command, "--url", str(service.client.base_url), cwd=tmp_path)
                assert done.returncode == 0, done.stderr
            kept = stored(service, until)
        told = {
            tuple(sorted(one["metric"].items())): [
                (round(at * 1000), float(value)) for at, value in one["values"]
            ]
            for one in server.range(which, until - 120, until, 1)
        }
    assert numbers(told) == kept
    assert len(kept) > 50
