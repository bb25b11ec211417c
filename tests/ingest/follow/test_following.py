"""A followed file over kills, rotation and truncation, in a real service and by `tocsin load`."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from tests.clients.programs import differing, stored, until
from tests.running import environment, running, start

START = 1_700_000_000


def rows(first: int, count: int) -> str:
    return "".join(f"{START + at},{at / 4},{-at}\n" for at in range(first, first + count))


def test_nothing_is_lost_or_doubled_over_kills_rotation_and_truncation(tmp_path: Path) -> None:
    log, config = tmp_path / "app.csv", tmp_path / "tocsin.toml"
    config.write_text(
        f'[[follow]]\npath = "{log}"\nmetric = "{{file}}.{{name}}"\nlabels = {{ env = "test" }}\n'
    )
    sent = 0

    def write(count: int, mode: str = "a") -> None:
        nonlocal sent
        with log.open(mode) as file:
            file.write(rows(sent, count) if mode == "a" else "time,a,b\n" + rows(sent, count))
        sent += count

    def arguments() -> tuple[str, ...]:
        return ("--config", str(config))

    write(3_000, "w")
    with running(tmp_path / "data", *arguments()) as service:
        until(lambda: service.get("metrics")["metrics"] != [])
        write(500)
        service.process.send_signal(signal.SIGKILL)  # wherever it is
        service.process.wait(60)
    write(500)
    log.rename(tmp_path / "app.csv.1")
    write(1_000, "w")
    with running(tmp_path / "data", *arguments()) as service:
        until(lambda: sum(map(len, stored(service).values())) == 2 * sent)
        write(100)
        until(lambda: sum(map(len, stored(service).values())) == 2 * sent)
        write(50, "w")  # emptied, and written anew in its place
        with log.open("a") as file:
            file.write("broken\n")
        until(lambda: sum(map(len, stored(service).values())) == 2 * sent)
        text = service.client.get("/metrics").text
        until(lambda: 'protocol="follow",reason="bad_line"} 1.0' in text)
        found = stored(service)
        code, _, _ = service.stop()
        assert code == 0
    want = {
        'app.a{env="test"}': {float(START + at): at / 4 for at in range(sent)},
        'app.b{env="test"}': {float(START + at): float(-at) for at in range(sent)},
    }
    assert differing(want, found) == []


def test_load_follows_until_it_is_interrupted_and_goes_on_there(tmp_path: Path) -> None:
    log = tmp_path / "app.ndjson"

    def write(first: int, count: int) -> None:
        with log.open("a") as file:
            for at in range(first, first + count):
                told = {"metric": "m", "timestamp": START + at, "value": at}
                file.write(json.dumps(told) + "\n")

    with running(tmp_path / "data") as service:
        url = str(service.client.base_url)
        for first in (0, 100):
            write(first, 100)
            process = start(["load", "--follow", str(log), "--url", url], environment())
            until(lambda first=first: len(stored(service).get("m", {})) == first + 100)  # type: ignore[misc]
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=120)
            assert process.returncode == 0, told
            assert "100 stored" in told
            assert "already known" not in told
        assert stored(service) == {"m": {float(START + at): float(at) for at in range(200)}}
