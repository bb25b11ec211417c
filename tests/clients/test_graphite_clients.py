"""Graphite's own relay, collectd and netcat: what they sent is what is stored."""

from __future__ import annotations

import math
import pickle
import random
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.programs import (
    Stored,
    client,
    differing,
    free_port,
    listening,
    program,
    refused,
    stored,
    until,
)
from tests.clients.tee import Tee
from tests.running import Service, running

START = 1_700_000_000
RELAY = """
[relay]
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {line}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickle}
RELAY_METHOD = consistent-hashing
REPLICATION_FACTOR = 1
DESTINATIONS = 127.0.0.1:{tocsin}:a
MAX_DATAPOINTS_PER_MESSAGE = 500
MAX_QUEUE_SIZE = 10000
USE_FLOW_CONTROL = True
LOG_LISTENER_CONNECTIONS = False
CARBON_METRIC_INTERVAL = 1
LOG_DIR = {folder}
CONF_DIR = {folder}
STORAGE_DIR = {folder}
LOCAL_DATA_DIR = {folder}
PID_DIR = {folder}
"""
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
LoadPlugin processes
LoadPlugin write_graphite
<Plugin write_graphite>
  <Node "tocsin">
    Host "127.0.0.1"
    Port "{port}"
    Protocol "tcp"
    LogSendErrors true
    StoreRates true
    AlwaysAppendDS false
    EscapeCharacter "_"
  </Node>
</Plugin>
"""


@pytest.fixture(name="service")
def service_fixture(tmp_path: Path) -> Iterator[Service]:
    off = {f"TOCSIN_{key}": "127.0.0.1:0" for key in ("GRAPHITE_UDP", "GRAPHITE_PICKLE")}
    with running(tmp_path / "data", **off) as service:
        yield service


def lines(count: int, metrics: int, seed: int) -> tuple[list[str], Stored]:
    """Lines as a client would write them, and what they say."""
    chance = random.Random(seed)
    told: list[str] = []
    sent: Stored = {}
    for number in range(count):
        name = f"servers.web{number % metrics}.load"
        moment, value = START + 10 * (number // metrics), chance.gauss(10, 3) * 10 ** (number % 7)
        told.append(f"{name} {value!r} {moment}")
        sent.setdefault(name, {})[float(moment)] = value
    return told, sent


def read_lines(data: bytes) -> Stored:
    """What lines say, read without any part of Tocsin."""
    sent: Stored = {}
    for line in data.decode().splitlines():
        name, value, moment = line.split()
        sent.setdefault(name, {})[float(moment)] = float(value)
    return sent


def read_pickles(data: bytes) -> Stored:
    """What messages say, read with Python's own reader."""
    sent: Stored = {}
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        at += 4 + size
        for name, (moment, value) in pickle.loads(data[at - size : at]):
            sent.setdefault(name, {})[round(float(moment), 6)] = float(value)
    return sent


def finite(samples: dict[float, float]) -> dict[float, float]:
    """Without what no model can learn from."""
    return {moment: value for moment, value in samples.items() if math.isfinite(value)}


def count(found: Stored) -> int:
    return sum(map(len, found.values()))


def test_carbon_relay_sends_pickles(service: Service, tmp_path: Path) -> None:
    relay = program("carbon-relay")
    told, sent = lines(5_000, 20, 1)
    ports = {"line": free_port(), "pickle": free_port()}
    with Tee(("127.0.0.1", service.port("graphite_pickle"))) as tee:
        conf = tmp_path / "carbon.conf"
        conf.write_text(RELAY.format(**ports, tocsin=tee.port, folder=tmp_path))
        (tmp_path / "storage-schemas.conf").write_text("[all]\npattern = .*\nretentions = 1s:1d\n")
        options = [f"--config={conf}", f"--pidfile={tmp_path / 'pid'}", f"--logdir={tmp_path}"]
        command = [relay, *options, "--nodaemon", "start"]
        with client(*command, log=tmp_path / "relay.log") as process:
            until(lambda: listening(ports["line"]))
            with socket.create_connection(("127.0.0.1", ports["line"])) as connection:
                connection.sendall("".join(f"{line}\n" for line in told).encode())
            until(lambda: set(sent) <= set(stored(service)))
            until(lambda: count({n: v for n, v in stored(service).items() if n in sent}) == 5_000)
            # Its own metrics have come meanwhile.
            until(lambda: any(name.startswith("carbon.") for name in stored(service)))
            process.terminate()
            process.wait(20)
        tee.join()
        passed = [read_pickles(bytes(one)) for one in tee.sent if one]
        assert len(passed) == 1
        until(lambda: count(stored(service)) == count(passed[0]))
        found = stored(service)
    assert differing(passed[0], found) == []
    assert differing(sent, {name: found[name] for name in sent}) == []


def test_collectd_sends_lines(service: Service, tmp_path: Path) -> None:
    collectd = program("collectd")
    with Tee(service.graphite) as tee:
        conf = tmp_path / "collectd.conf"
        conf.write_text(COLLECTD.format(folder=tmp_path, port=tee.port))
        with client(collectd, "-f", "-C", str(conf), log=tmp_path / "out") as process:
            until(lambda: count(stored(service)) > 150)
            process.terminate()
            process.wait(20)
        tee.join()
        lines = b"".join(bytes(one) for one in tee.sent)
        sent = {name: finite(samples) for name, samples in read_lines(lines).items()}
        until(lambda: count(stored(service)) >= count(sent))
    found = stored(service)
    assert len(found) > 10
    assert differing({name: samples for name, samples in sent.items() if samples}, found) == []
    # The first rate of a counter is none.
    nothing = lines.count(b" nan ")
    assert refused(service, "graphite") == ({"not_finite": nothing} if nothing else {})


def test_netcat_sends_lines_over_tcp_and_udp(service: Service) -> None:
    netcat = program("nc")
    told, sent = lines(400, 8, 2)

    def send(option: str, port: int, some: list[str]) -> None:
        command = [netcat, option, "-w", "1", "-N", "127.0.0.1", str(port)]
        text = "".join(f"{line}\n" for line in some)
        subprocess.run(command, input=text.encode(), check=True, timeout=30)

    send("-4", service.graphite[1], told[:320])
    until(lambda: count(stored(service)) == 320)
    # What netcat reads at once is one datagram; larger ones it would cut anywhere.
    for at in range(320, 400, 20):
        send("-u", service.port("graphite_udp"), told[at : at + 20])
    until(lambda: count(stored(service)) == 400)
    assert differing(sent, stored(service)) == []
