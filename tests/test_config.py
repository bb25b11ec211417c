from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.config import Address, load
from tocsin.detect.settings import Wanted
from tocsin.errors import ConfigurationError


def test_flags_win_over_variables_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text('data = "file"\nmax_metrics = 5\nqueue_samples = 6\n')
    variables = {"TOCSIN_MAX_METRICS": "7", "TOCSIN_QUEUE_SAMPLES": "8", "HOME": "/"}
    config = load(file, variables, {"data": None, "queue_samples": 9})
    assert (config.data, config.max_metrics, config.queue_samples) == ("file", 7, 9)


def test_defaults_are_loopback() -> None:
    config = load(None, {}, {})
    assert config.http_address == Address("127.0.0.1", 8765)
    assert config.graphite_address == Address("127.0.0.1", 2003)
    assert config.url == "sqlite:///tocsin-data/tocsin.db"


def test_detection_settings_come_from_file_and_variables(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text(
        '[detect]\ntimezone = "Europe/Berlin"\nlikelihood = "gaussian"\ndirection = "up"\n'
    )
    config = load(
        file,
        {
            "TOCSIN_DETECT_FALSE_ALARMS_PER_WEEK": "2",
            "TOCSIN_DETECT_LEAST_CHANGE": "5",
            "TOCSIN_DETECT_LEAST_RELATIVE_CHANGE": "0.1",
        },
        {},
    )
    assert config.settings.timezone == "Europe/Berlin"
    assert config.settings.false_alarms_per_week == 2
    assert config.settings.likelihood == "gaussian"
    assert config.settings.wanted == Wanted(2.0, 5.0, 0.1, 1, False)


def test_true_and_false_can_be_said_in_variables() -> None:
    assert load(None, {"TOCSIN_WATCH_HOST": "true"}, {}).watch_host is True
    assert load(None, {"TOCSIN_WATCH_HOST": "0"}, {}).watch_host is False


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("max_metric = 3", ["max_metric", "did you mean 'max_metrics'"]),
        ("max_metrics = 0", ["max_metrics = 0", ">= 1"]),
        ('max_metrics = "many"', ["max_metrics = 'many'", "int"]),
        ('log_level = "loud"', ["log_level", "loud"]),
        ("max_metrics = ", ["is not TOML"]),
        ("watch_interval = 0", ["watch_interval", "> 0"]),
        ('http = "8765"', ["http = '8765'", "HOST:PORT"]),
        ('http = "127.0.0.1:99999"', ["HOST:PORT"]),
        ('[detect]\ntimezon = "UTC"', ["timezon", "timezone"]),
        ('[detect]\ntimezone = "Nowhere"', ["Nowhere"]),
        ('[detect]\nlikelihood = "gauss"', ["likelihood = 'gauss'", "evidence, gaussian"]),
        ('token = "short"', ["token", "8"]),
        ('graphite = "[::]:2003"', ["insecure"]),
    ],
)
def test_a_wrong_file_is_told_with_key_and_remedy(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as told:
        load(file, {}, {})
    for part in parts:
        assert part in str(told.value)


def test_a_wrong_token_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text("token = 123456789")
    with pytest.raises(ConfigurationError) as told:
        load(file, {}, {})
    assert "123456789" not in str(told.value)


def test_variables_that_are_nearly_right_are_refused_others_are_not_ours() -> None:
    with pytest.raises(ConfigurationError, match="TOCSIN_TOKEN"):
        load(None, {"TOCSIN_TOKN": "x" * 10}, {})
    with pytest.raises(ConfigurationError, match="TOCSIN_MAX_METRICS"):
        load(None, {"TOCSIN_MAX_METRICS": "many"}, {})
    load(None, {"TOCSIN_SHARED": "/elsewhere"}, {})


def test_wider_than_loopback_is_allowed_with_its_condition() -> None:
    load(None, {"TOCSIN_TOKEN": "12345678"}, {"http": "0.0.0.0:80"})
    load(None, {"TOCSIN_INSECURE": "true"}, {"graphite": "0.0.0.0:2003"})
    load(None, {}, {"http": "[::1]:80", "graphite": "localhost:2003"})
    assert load(None, {}, {"http": "off"}).http_address is None


def test_destinations_have_a_name_each(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text(
        '[[publish]]\nkind = "jsonl"\npath = "a.jsonl"\n'
        '[[publish]]\nkind = "jsonl"\npath = "b.jsonl"\nname = "b"\nevents_only = true\n'
    )
    config = load(file, {}, {})
    assert [one.subscriber for one in config.publish] == ["jsonl:a.jsonl", "b"]
    assert [getattr(one, "events_only", None) for one in config.publish] == [False, True]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[[publish]]\nkind = "kafka"\npath = "a"', ["publish[0].kind", "kafka"]),
        ('[[publish]]\npath = "a"', ["publish[0]", "kind"]),
        ('[[publish]]\nkind = "jsonl"', ["publish[0]", "path"]),
        ('[[publish]]\nkind = "jsonl"\npath = ""', ["publish[0].path", ">= 1"]),
        ('[[publish]]\nkind = "jsonl"\npath = "a"\nfolder = "b"', ["publish[0]", "folder"]),
        (
            '[[publish]]\nkind = "jsonl"\npath = "a"\n[[publish]]\nkind = "jsonl"\npath = "a"',
            ["publish[1]", "publish[0]", "name"],
        ),
        (
            '[[publish]]\nkind = "jsonl"\npath = "a"\nname = "x"\n'
            '[[publish]]\nkind = "jsonl"\npath = "a"\nname = "y"',
            ["publish[1]", "publish[0]", "path"],
        ),
        ("outbox_hours = -1", ["outbox_hours = -1", ">= 0"]),
        ("outbox_hours = 240", ["outbox_days_most = 7: must", "outbox_hours = 240"]),
    ],
)
def test_a_wrong_destination_is_told(tmp_path: Path, text: str, parts: list[str]) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        load(file, {}, {})
    for part in parts:
        assert part in str(error.value)


def test_lists_in_variables_are_separated_by_commas(tmp_path: Path) -> None:
    assert load(None, {"TOCSIN_STATSD_PERCENTILES": "50, 99.9"}, {}).statsd_percentiles == (
        50,
        99.9,
    )
    file = tmp_path / "tocsin.toml"
    file.write_text("statsd_percentiles = [75]")
    assert load(file, {}, {}).statsd_percentiles == (75.0,)
    with pytest.raises(ConfigurationError, match="statsd_percentiles"):
        load(None, {}, {"statsd_percentiles": [101]})


@pytest.mark.parametrize("key", ["graphite_udp", "graphite_pickle", "statsd"])
def test_listeners_are_off_unless_asked_for_and_let_others_in_only_when_told(key: str) -> None:
    assert list(load(None, {}, {}).socket_addresses) == ["graphite"]
    assert load(None, {}, {key: "127.0.0.1:7"}).socket_addresses[key] == Address("127.0.0.1", 7)
    with pytest.raises(ConfigurationError, match=f"{key} = .*insecure"):
        load(None, {}, {key: "0.0.0.0:7"})


def test_rules_of_intake_are_checked_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text('[[intake]]\nmatch = "a.*"\naction = "drop"\n')
    assert len(load(file, {}, {}).filters) == 1
    file.write_text('[[intake]]\naction = "lose"\n')
    with pytest.raises(ConfigurationError, match="intake rule 1"):
        load(file, {}, {})
