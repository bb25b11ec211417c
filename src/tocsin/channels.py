"""``[[channel]]`` tables: where notifications go, and the secrets they need.

A secret is given itself (``url``), as an environment variable's name (``url_env``) or as a file's
(``url_file``). It is shown nowhere: not in errors, not in logs, not by ``repr``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec

from tocsin.errors import ConfigurationError

__all__ = [
    "FIELDS",
    "Alertmanager",
    "Apprise",
    "Channel",
    "Webhook",
    "check_channels",
    "scrubbed",
    "secret",
]

#: What templates may name, with a value of each as it may be.
FIELDS: Final[Mapping[str, Any]] = {
    "id": "msg_0123456789abcdef",
    "channel": "ops",
    "change": "opened",
    "incident": 7,
    "state": "open",
    "severity": "critical",
    "title": "cpu on web-1",
    "group": "host=web-1",
    "why": "cpu is far above all seen before",
    "evidence": 12.5,
    "metrics": 3,
    "events": 4,
    "first_metric": "cpu",
    "opened": "2026-01-01T00:00:00Z",
    "updated": "2026-01-01T00:05:00Z",
    "resolved": "",
    "duration": "5 min",
    "link": "http://127.0.0.1:8765/incidents/7",
}

Seconds = Annotated[float, msgspec.Meta(gt=0, le=300)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^\w[\w .@-]*$")]


class _Common(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What channels of every kind have."""

    #: What rules call it in ``routes``.
    name: _Name
    #: Where it goes; may hold secrets.
    url: str | None = None
    url_env: str | None = None
    url_file: str | None = None
    #: Send a picture of the incident along.
    picture: bool = False
    #: Templates: text with {fields} of `FIELDS`.
    title: str = "[{severity}] {change}: {title}"
    body: str = "{why}\n\n{metrics} metrics, {events} events, since {opened}\n{link}"
    #: Say it again so often while nobody has acknowledged it (hours); left out: never.
    remind_hours: Annotated[float, msgspec.Meta(gt=0, le=8_784)] | None = None
    #: How long the receiver may take to answer (seconds), and how long a message is tried (hours).
    timeout_s: Seconds = 10.0
    give_up_hours: Annotated[float, msgspec.Meta(gt=0, le=744)] = 24.0

    def __repr__(self) -> str:
        """Never its secrets."""
        return f"{type(self).__name__}(name={self.name!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`."""
        return [("name", self.name)]

    @property
    def kind(self) -> str:
        """What ``kind`` says."""
        return str(self.__struct_config__.tag)


class Webhook(_Common, frozen=True, kw_only=True, tag_field="kind", tag="webhook"):
    """JSON to an address of one's own, signed as the Standard Webhooks specification says."""

    #: What messages are signed with: ``whsec_`` and base64, or any text. Left out: not signed.
    secret: str | None = None
    secret_env: str | None = None
    secret_file: str | None = None
    #: Shown as ``Authorization: Bearer …``.
    token: str | None = None
    token_env: str | None = None
    token_file: str | None = None


class Alertmanager(_Common, frozen=True, kw_only=True, tag_field="kind", tag="alertmanager"):
    """Prometheus' Alertmanager (API v2): ``url`` is its own, without ``/api/v2``."""

    token: str | None = None
    token_env: str | None = None
    token_file: str | None = None
    #: Alerts that fire are sent again so often (seconds); three times as long without one, and
    #: Alertmanager takes them to be over.
    resend_s: Annotated[float, msgspec.Meta(ge=1, le=3_600)] = 60.0
    #: More labels of every alert.
    labels: dict[str, str] = {}


class Apprise(_Common, frozen=True, kw_only=True, tag_field="kind", tag="apprise"):
    """Chat, mail, SMS, push: ``url`` is one of Apprise's (``mailto://…``, ``slack://…``)."""


Channel = Webhook | Alertmanager | Apprise


def secret(channel: Channel, key: str, environment: Mapping[str, str]) -> str | None:
    """What ``key``, ``key_env`` or ``key_file`` gives; None: none of them is there.

    Errors: `ConfigurationError` when several are, or the variable or file is not there.
    """
    given = {k: getattr(channel, k, None) for k in (key, f"{key}_env", f"{key}_file")}
    told = [(k, text) for k, text in given.items() if text is not None]
    if not told:
        return None
    if len(told) > 1:
        raise _wrong(channel, f"give one of {', '.join(given)}")
    (which, text) = told[0]
    found = _found(channel, which, text, environment) if which != key else text
    if not found.strip():
        raise _wrong(channel, f"{which}: is empty")
    return found.strip()


def _found(channel: Channel, which: str, text: str, environment: Mapping[str, str]) -> str:
    if which.endswith("_env"):
        if text not in environment:
            raise _wrong(channel, f"{which}: there is no environment variable {text!r}")
        return environment[text]
    try:
        return Path(text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise _wrong(channel, f"{which}: {text}: cannot be read: {reason}") from error


def check_channels(channels: Sequence[Channel], environment: Mapping[str, str]) -> None:
    """What no single key can say. Errors: `ConfigurationError` names the channel and the key."""
    seen: set[str] = set()
    for channel in channels:
        if channel.name in seen:
            raise _wrong(channel, "there is another channel of this name")
        seen.add(channel.name)
        for key in ("title", "body"):
            _check_template(channel, key, getattr(channel, key))
        url = secret(channel, "url", environment)
        if url is None:
            raise _wrong(channel, "url is missing: give url, url_env or url_file")
        _check_url(channel, url)
        for key in ("secret", "token"):
            _check_secret(channel, key, secret(channel, key, environment))


def _check_template(channel: Channel, key: str, template: str) -> None:
    try:
        for _, name, spec, _ in Formatter().parse(template):
            if name is not None and name not in FIELDS:
                raise _wrong(channel, f"{key}: unknown field {{{name}}}; {_known()}")
            if "{" in (spec or ""):
                raise ValueError("a field within a field")
        template.format_map(FIELDS)
    except ValueError as error:
        if isinstance(error, ConfigurationError):
            raise
        raise _wrong(channel, f"{key}: is not a template: {error}; {_known()}") from error


def _known() -> str:
    return f"there are {', '.join(f'{{{name}}}' for name in FIELDS)}"


def _check_url(channel: Channel, url: str) -> None:
    try:
        parts = urlsplit(url)
        good = bool(parts.scheme) and not any(character.isspace() for character in url)
        if not isinstance(channel, Apprise):
            good = good and parts.scheme in ("http", "https") and bool(parts.hostname)
            good = good and parts.port != 0
    except ValueError:
        good = False
    if not good:
        example = "mailto://user:password@example.org" if isinstance(channel, Apprise) else ""
        raise _wrong(channel, f"url: must be a URL such as {example or 'https://host/path'}")


def _check_secret(channel: Channel, key: str, told: str | None) -> None:
    if told is None:
        return
    if key == "secret" and told.startswith("whsec_"):
        try:
            base64.b64decode(told.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise _wrong(channel, "secret: what follows whsec_ is not base64") from error
    if not told.isprintable():
        raise _wrong(channel, f"{key}: must be one line of text")


def scrubbed(text: str, secrets: Sequence[str | None]) -> str:
    """The text without what is in secrets: whole, and in parts of six characters or more."""
    for whole in secrets:
        for part in sorted(_parts(whole or ""), key=len, reverse=True):
            text = text.replace(part, "…")
    return text


def _parts(whole: str) -> set[str]:
    cut = whole
    for mark in "/?&=:@+,;#":
        cut = cut.replace(mark, " ")
    return {part for part in (whole, *cut.split()) if len(part) >= 6}


def _wrong(channel: Channel, what: str) -> ConfigurationError:
    return ConfigurationError(f"channel {channel.name!r}: {what}")
