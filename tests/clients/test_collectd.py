"""collectd's write_http plugin: what it posted is what is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.clients.programs import (
    Stored,
    client,
    differing,
    program,
    refused,
    stored,
    until,
)
from tests.clients.tee import Tee
from tests.running import Service, running
from tocsin.samples import Metric

COLLECTD = """
BaseDir "{folder}"
PIDFile "{folder}/pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
Hostname "box"
FQDNLookup false
Interval 1
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "{folder}/collectd.log"
</Plugin>
LoadPlugin load
LoadPlugin memory
LoadPlugin cpu
LoadPlugin interface
LoadPlugin write_http
<Plugin write_http>
  <Node "tocsin">
    URL "http://127.0.0.1:{port}/api/v1/collectd"
    Format "JSON"
    Header "Authorization: Bearer a secret of ours"
    BufferSize 8192
  </Node>
</Plugin>
"""


@pytest.fixture(name="service")
def service_fixture(tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path / "data", TOCSIN_TOKEN="a secret of ours") as service:
        service.client.headers["Authorization"] = "Bearer a secret of ours"
        yield service


def bodies(data: bytes) -> Iterator[list[dict[str, Any]]]:
    """The bodies of the requests of one connection."""
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        lines = [line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:]]
        length = int(dict(lines)[b"content-length"])
        yield json.loads(data[:length])
        data = data[length:]


def read(connections: list[bytearray]) -> tuple[Stored, int]:
    """What was posted, read without Tocsin's decoder, and how many values are none."""
    sent: Stored = {}
    nothing = 0
    for one in (one for data in connections for body in bodies(bytes(data)) for one in body):
        labels = {key: one[key] for key in ("host", "plugin_instance", "type_instance") if one[key]}
        name = one["plugin"] if one["plugin"] == one["type"] else f"{one['plugin']}.{one['type']}"
        for source, value in zip(one["dsnames"], one["values"], strict=True):
            whole = name if source == "value" else f"{name}.{source}"
            if value is None:
                nothing += 1
                continue
            moments = sent.setdefault(str(Metric.of(whole, labels)), {})
            moments[round(float(one["time"]), 6)] = float(value)
    return sent, nothing


def count(found: Stored) -> int:
    return sum(map(len, found.values()))


def test_collectd_posts_json(service: Service, tmp_path: Path) -> None:
    collectd = program("collectd")
    address = urlsplit(str(service.client.base_url))
    with Tee(("127.0.0.1", address.port or 0)) as tee:
        conf = tmp_path / "collectd.conf"
        conf.write_text(COLLECTD.format(folder=tmp_path, port=tee.port))
        with client(collectd, "-f", "-C", str(conf), log=tmp_path / "out") as process:
            until(lambda: count(stored(service)) > 150)
            process.terminate()
            process.wait(20)
        tee.join()
        sent, nothing = read(tee.sent)
        until(lambda: count(stored(service)) >= count(sent))
    found = stored(service)
    assert len(found) > 10
    assert differing(sent, found) == []
    assert refused(service, "collectd") == ({"not_finite": nothing} if nothing else {})
    counters = {
        metric["name"]
        for metric in service.get("metrics", limit=1000)["metrics"]
        if metric["kind"] == "counter"
    }
    assert {"interface.if_octets.rx", "cpu"} <= counters
    assert not any(name.startswith(("load", "memory")) for name in counters)
