"""A real Prometheus scrapes the results, and is written to: it says the same numbers."""

from __future__ import annotations

import datetime as dt
import math
import time
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.clients.prometheus import prometheus, wait_until
from tests.running import Service, running

FIELDS = {
    "tocsin_anomaly_score": "anomaly_score",
    "tocsin_alert_score": "alert_score",
    "tocsin_expected": "expected",
    "tocsin_lower": "lower",
    "tocsin_upper": "upper",
    "tocsin_value": "value",
}
ODD = 'say "what"\\now'


def send(service: Service, count: int, end: float) -> None:
    """Samples of two metrics up to now, one odd value among them."""
    samples = []
    for n in range(count):
        at = {"timestamp": end - (count - n), "value": n % 7 if n != count - 3 else 99}
        samples.append({"metric": "web.latency", "labels": {"host.name": "a", "odd": ODD}, **at})
        samples.append({"metric": "db.load", "labels": {"host.name": "b"}, **at})
    assert service.post(samples)["rejected"] == []


def expected(service: Service, name: str) -> dict[str, dict[int, float]]:
    """What the service itself says of a metric: by family and time (ms)."""
    found: dict[str, dict[int, float]] = {family: {} for family in FIELDS}
    for sample in service.samples(name):
        at = round(dt.datetime.fromisoformat(sample["timestamp"]).timestamp() * 1_000)
        for family, field in FIELDS.items():
            if sample[field] is not None and math.isfinite(sample[field]):
                found[family][at] = sample[field]
    return found


def test_scores_are_scraped(tmp_path: Path) -> None:
    with running(tmp_path / "data") as service:
        send(service, 130, float(int(time.time())))
        ask = {"match": ["web.*"]}
        answer = service.client.get("/metrics/scores", params=ask)
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        families = list(text_string_to_metric_families(answer.text))
        assert [family.name for family in families] == list(FIELDS)
        told: dict[str, Any] = {f.name: f.samples[0] for f in families if f.samples}
        newest = expected(service, "web.latency")
        for name, sample in told.items():
            assert sample.labels == {"metric": "web.latency", "host_name": "a", "odd": ODD}
            at, value = max(newest[name].items())
            assert (sample.value, round(float(sample.timestamp) * 1_000)) == (value, at)
        assert {"tocsin_anomaly_score", "tocsin_expected", "tocsin_value"} <= told.keys()
        both = service.client.get("/metrics/scores", params={"match": ["web.*", "*load"]}).text
        assert both.count("tocsin_value{") == 2
        few = service.client.get("/metrics/scores", params={"match": ["*"], "limit": 1}).text
        assert few.count("tocsin_value{") == 1
        for bad in ("", "match=", "match=x&" * 21, "match=x&limit=1000000"):
            assert service.client.get(f"/metrics/scores?{bad}").status_code == 400
        target = service.client.base_url.netloc.decode()
        scrape = (
            f"- job_name: scores\n  honor_labels: true\n  metrics_path: /metrics/scores\n"
            f"  params: {{match: ['web.*']}}\n  static_configs: [{{targets: ['{target}']}}]\n"
        )
        with prometheus(tmp_path / "prometheus", scrape=scrape) as server:
            query = 'tocsin_value{metric="web.latency"}'
            wait_until(lambda: server.query(query), 60, "the scores are scraped")
            (found,) = server.query(query)
            assert float(found["value"][1]) == max(newest["tocsin_value"].items())[1]
            assert found["metric"]["host_name"] == "a"


def test_prometheus_is_written_to(tmp_path: Path) -> None:
    with prometheus(tmp_path / "prometheus", receives=True) as server:
        config = tmp_path / "tocsin.toml"
        config.write_text(
            '[[publish]]\nkind = "remote_write"\n'
            f'url = "{server.url}/api/v1/write"\nmatch = ["web.*"]\n'
        )
        with running(tmp_path / "data", "--config", str(config)) as service:
            now = float(int(time.time()))
            send(service, 200, now)
            sent = expected(service, "web.latency")
            query = 'count_over_time(tocsin_value{metric="web.latency"}[1h])'

            def arrived() -> bool:
                told = server.query(query)
                return bool(told) and float(told[0]["value"][1]) == 200

            wait_until(arrived, 60, "everything was written")
            for family, samples in sent.items():
                found = server.query(f"{family}[1h]")
                assert len(found) == (1 if samples else 0)
                for one in found:
                    assert one["metric"] == {
                        "__name__": family,
                        "metric": "web.latency",
                        "host_name": "a",
                        "odd": ODD,
                    }
                    values = {round(at * 1_000): float(value) for at, value in one["values"]}
                    assert values == samples
            assert max(sent["tocsin_anomaly_score"].values()) > 0.3
            assert server.query('{metric="db.load"}') == []
