from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tocsin.channels import FIELDS, scrubbed, secret
from tocsin.config import Config, load
from tocsin.errors import ConfigurationError


def loaded(tmp_path: Path, text: str, **environment: str) -> Config:
    (tmp_path / "tocsin.toml").write_text(text)
    return load(tmp_path / "tocsin.toml", environment, {})


def test_every_kind_is_read(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("http://alerts.example:9093/\n")
    config = loaded(
        tmp_path,
        f"""
        public_url = "https://tocsin.example/"
        [[channel]]
        kind = "webhook"
        name = "ops"
        url = "https://example.org/x"
        secret_env = "OPS_SECRET"
        remind_hours = 4
        [[channel]]
        kind = "alertmanager"
        name = "alerts"
        url_file = "{tmp_path / "url"}"
        labels = {{ team = "db" }}
        [[channel]]
        kind = "apprise"
        name = "mail"
        url_env = "MAIL"
        title = "{{severity}}: {{title}} ({{evidence:.0f}})"
        """,
        OPS_SECRET="whsec_MDEyMzQ1Njc4OWFiY2RlZg==",
        MAIL="mailto://u:p@example.org",
    )
    assert config.channel_names == ["ops", "alerts", "mail"]
    assert config.page_url == "https://tocsin.example"
    assert [one.kind for one in config.channel] == ["webhook", "alertmanager", "apprise"]
    assert secret(config.channel[1], "url", {}) == "http://alerts.example:9093/"


HOOK = '[[channel]]\nkind = "webhook"\nname = "ops"\n'
URL = 'url = "https://example.org/s3cret"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HOOK, "channel 'ops': url is missing"),
        (HOOK + URL + 'url_env = "X"', "give one of url, url_env, url_file"),
        (HOOK + 'url_env = "X"', "url_env: there is no environment variable 'X'"),
        (HOOK + 'url_file = "/nowhere/x"', "url_file: /nowhere/x: cannot be read: No such file"),
        (HOOK + 'url_env = "EMPTY"', "url_env: is empty"),
        (HOOK + 'url = "example.org/s3cret"', "must be a URL such as https://host/path"),
        (HOOK + 'url = "ftp://example.org/s3cret"', "must be a URL"),
        (HOOK + 'url = "http://[s3cret"', "must be a URL"),
        (HOOK + URL + 'title = "{titel}"', r"title: unknown field \{titel\}; there are \{id\}"),
        (HOOK + URL + 'title = "{title.__class__}"', "title: unknown field"),
        (HOOK + URL + 'title = "{title[0]}"', "title: unknown field"),
        (HOOK + URL + 'title = "{}"', "title: unknown field"),
        (HOOK + URL + 'body = "{title"', "body: is not a template"),
        (HOOK + URL + 'body = "{title:{why}}"', "a field within a field"),
        (HOOK + URL + 'body = "{title:.1f}"', "body: is not a template"),
        (HOOK + URL + 'secret = "whsec_%%"', "secret: what follows whsec_ is not base64"),
        (HOOK + URL + HOOK + URL, "there is another channel of this name"),
        (HOOK + URL + 'secrets = "s3cret"', "unknown field `secrets`"),
        ('[[channel]]\nkind = "hook"\nname = "a"\nurl = "s3cret"', "Invalid value 'hook'"),
        ('channel = "s3cret"', "Expected `array`"),
        (HOOK + "url = 7", "Expected `str"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_is_shown(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as told:
        loaded(tmp_path, text, EMPTY=" \n")
    assert "s3cret" not in str(told.value)


def test_configurations_do_not_show_secrets(tmp_path: Path) -> None:
    config = loaded(tmp_path, HOOK + URL + 'token = "t0ken-123"')
    assert "s3cret" not in repr(config)
    assert "t0ken" not in repr(config)
    assert "ops" in repr(config)


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_can_be_used(tmp_path: Path, name: str) -> None:
    assert loaded(tmp_path, HOOK + URL + f'body = "{{{name}}}"').channel


@pytest.mark.parametrize(
    ("text", "secrets", "left"),
    [
        (
            "POST https://h.example/abcdef123 failed",
            ["https://h.example/abcdef123"],
            "POST … failed",
        ),
        ("url: /abcdef123/x", ["https://h.example/abcdef123"], "url: /…/x"),
        ("nothing of it", [None, "abcdef123"], "nothing of it"),
    ],
)
def test_secrets_are_taken_out_of_texts(text: str, secrets: list[Any], left: str) -> None:
    assert scrubbed(text, secrets) == left
