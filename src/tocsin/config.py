"""The service's configuration: one ``tocsin.toml``, ``TOCSIN_*`` variables, and flags (flags win).

Everything is validated here, before anything is opened, bound or written.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, get_origin
from urllib.parse import urlsplit

import msgspec

from tocsin.alarms import AlertRule, AlertRules, Grouping, Silence
from tocsin.channels import Channel, check_channels
from tocsin.detect.models.foreign.names import Named, permitted
from tocsin.detect.settings import MODELS, Settings
from tocsin.errors import ConfigurationError
from tocsin.filters import Filters
from tocsin.rules import Rules
from tocsin.samples import zone

__all__ = [
    "OFF",
    "PREFIX",
    "SOCKETS",
    "Address",
    "Config",
    "Follow",
    "JsonLines",
    "RemoteWrite",
    "Scrape",
    "load",
]

#: What a listener's address says when there is to be none.
OFF: Final = "off"
#: Keys of listeners over sockets of their own, which carry no token.
SOCKETS: Final = ("graphite", "graphite_udp", "graphite_pickle", "statsd")
#: Environment variables are this and the key in capitals: ``TOCSIN_TOKEN``.
PREFIX: Final = "TOCSIN_"

Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

#: What tells one of OpenTelemetry's resources from another.
_RESOURCE_LABELS: Final = [
    "service.name",
    "service.namespace",
    "service.instance.id",
    "deployment.environment",
    "deployment.environment.name",
    "host.name",
    "container.name",
    "k8s.*.name",
]


class Address(NamedTuple):
    """Where a listener listens; port 0 takes any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


class _Destination(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all ``[[publish]]`` tables have."""


class JsonLines(_Destination, frozen=True, kw_only=True, tag_field="kind", tag="jsonl"):
    """A destination ``[[publish]] kind = "jsonl"``: results as lines of JSON in a file."""

    #: Made when missing; its folder must be there.
    path: Annotated[str, msgspec.Meta(min_length=1)]
    #: The subscriber whose position is kept; another one begins anew. Default: from the path.
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    #: Leave samples out.
    events_only: bool = False

    @property
    def subscriber(self) -> str:
        """Under which name its position is kept."""
        return self.name or f"jsonl:{self.path}"


class RemoteWrite(_Destination, frozen=True, kw_only=True, tag_field="kind", tag="remote_write"):
    """A destination ``[[publish]] kind = "remote_write"``: results as series of Prometheus."""

    #: Where a receiver of remote write 1.0 takes them: http://prometheus:9090/api/v1/write
    url: Annotated[str, msgspec.Meta(pattern="^https?://[^ /]")]
    #: The subscriber whose position is kept; another one begins anew. Default: from the address.
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    #: Which metrics, as patterns (see `tocsin.rules`), and how many at most.
    match: Annotated[list[str], msgspec.Meta(min_length=1, max_length=100)]
    most: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    #: Shown as ``Authorization: Bearer …``: itself, or the name of an environment variable.
    token: str | None = None
    token_env: str | None = None
    #: How long the receiver may take to answer (seconds).
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=300)] = 30.0

    def __repr__(self) -> str:
        """Never its secrets."""
        return f"{type(self).__name__}({self.subscriber!r})"

    @property
    def subscriber(self) -> str:
        """Under which name its position is kept."""
        parts = urlsplit(self.url)
        return self.name or f"remote_write:{parts.hostname}{parts.path}"


class Follow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file ``[[follow]]`` whose new lines are samples: CSV with a header, or JSON by line."""

    path: Annotated[str, msgspec.Meta(min_length=1)]
    #: Default: by the file's name; .ndjson, .jsonl and .json are JSON by line.
    format: Literal["csv", "ndjson"] | None = None
    #: What to call the metrics; may hold {name}, {file} and {folder}. And labels for all of them.
    metric: str = "{name}"
    labels: dict[str, str] = {}
    #: Columns of a CSV file; left out: by their names.
    time_column: str | None = None
    value_columns: list[str] = []
    metric_column: str | None = None
    label_columns: list[str] = []
    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = ","
    #: Zone of times that have none.
    timezone: str = "UTC"


class Scrape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prometheus targets ``[[scrape]]`` that are asked for their metrics."""

    #: The label ``job`` of all that comes from there.
    job: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    #: HOST:PORT, which becomes the label ``instance``, or whole URLs.
    targets: Annotated[list[str], msgspec.Meta(min_length=1)]
    scheme: Literal["http", "https"] = "http"
    path: Annotated[str, msgspec.Meta(pattern="^/")] = "/metrics"
    #: Seconds between two scrapes, and how long one may take.
    interval: Annotated[float, msgspec.Meta(ge=0.1, le=86_400)] = 15.0
    timeout: Seconds = 10.0
    #: More labels of all that comes from there.
    labels: dict[str, str] = {}
    #: What is shown to the targets: Authorization: Bearer ….
    token: str | None = None


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every key of ``tocsin.toml``, with its default."""

    #: Folder of the database; made when missing.
    data: str = "tocsin-data"
    #: Another database, as an SQLAlchemy URL; default: SQLite in the folder above.
    database: str | None = None
    #: HOST:PORT of the page and the API, or "off".
    http: str = "127.0.0.1:8765"
    #: HOST:PORT of the Graphite plaintext listener (TCP), or "off".
    graphite: str = "127.0.0.1:2003"
    #: HOST:PORT for Graphite plaintext over UDP, and for carbon's pickles over TCP, or "off".
    graphite_udp: str = OFF
    graphite_pickle: str = OFF
    #: HOST:PORT for StatsD over UDP, or "off"; what comes is added up for so many seconds, and of
    #: timers these percentiles are told.
    statsd: str = OFF
    statsd_interval_s: Seconds = 10.0
    statsd_percentiles: tuple[Annotated[float, msgspec.Meta(gt=0, le=100)], ...] = (90.0, 95.0)
    #: A token that may do everything; more, with less rights, are made by ``tocsin token``. One is
    #: needed as soon as there is one, or others than this machine can connect.
    token: str | None = None
    #: Let others than this machine send over protocols that carry no token (Graphite, StatsD), and
    #: do everything over HTTP while there is no token at all.
    insecure: bool = False
    #: Watch this machine itself.
    watch_host: bool = False
    #: Watch Tocsin itself, as metrics ``tocsin.*``; left out: where there are channels, so that
    #: somebody is told.
    watch_self: bool | None = None
    #: Seconds between two looks at this machine, and at Tocsin itself.
    watch_interval: Seconds = 2.0
    #: A sample further ahead of the clock than this is refused (seconds).
    max_future_s: Annotated[float, msgspec.Meta(ge=0)] = 600.0
    #: A sample further behind the clock than this is refused (days); left out: none is.
    max_past_days: Annotated[float, msgspec.Meta(gt=0, le=100_000)] | None = None
    #: Hold each sample so long for older ones that are still on their way (seconds).
    reorder_s: Annotated[float, msgspec.Meta(ge=0, le=3_600)] = 0.0
    #: Samples older than the last one taken: refuse them, or keep them unscored.
    late: Literal["drop", "store"] = "drop"
    #: OpenTelemetry: which of a resource's attributes are labels, as patterns; and which quantiles
    #: of histograms are metrics.
    otlp_resource_labels: list[str] = msgspec.field(default_factory=_RESOURCE_LABELS.copy)
    otlp_quantiles: list[Share] = msgspec.field(default_factory=[0.5, 0.95, 0.99].copy)
    #: How many metrics there may be.
    max_metrics: Positive = 100_000
    #: How many new metrics one sender may make at once and in an hour; left out: max_metrics.
    max_new_metrics_per_hour: Positive | None = None
    #: How many samples may wait to be stored; more are pushed back to the senders.
    queue_samples: Positive = 200_000
    #: The largest body of one request (bytes) and the most samples in it.
    max_body_bytes: Positive = 16 * 1024 * 1024
    max_body_samples: Positive = 100_000
    #: How many clients may be connected to the API at once.
    max_connections: Positive = 1_000
    #: How long samples are kept (days), and how many of each metric; left out: for ever. What a
    #: restart may have to replay is kept in any case.
    keep_days: Annotated[float, msgspec.Meta(gt=0, le=100_000)] | None = None
    keep_samples: Positive | None = None
    #: How long a request may wait for its samples to be stored (seconds); then it gets 503.
    answer_s: Seconds = 10.0
    #: Megabytes of learnt states in memory; beyond, those that were not used lately leave it.
    memory_mb: Positive = 2_048
    #: Seconds between two looks at which states are worth saving.
    snapshot_s: Seconds = 60.0
    #: How long a restart may take to learn anew what was not saved (seconds).
    restart_s: Seconds = 10.0
    #: How many states of each metric are kept.
    snapshots_kept: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2
    #: How long a write waits for a database that another process holds (seconds).
    busy_s: Seconds = 5.0
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    #: Models of somebody else's that may be run, as patterns of their names: "river.*". Their code
    #: runs with the rights of this service.
    allow_models: list[str] = []
    #: How long such a model may take for one piece of work (seconds), and the memory of the
    #: processes that they run in.
    model_deadline_s: Annotated[float, msgspec.Meta(gt=0, le=3_600)] = 10.0
    model_memory_mb: Positive = 2_048
    #: Detection: see `tocsin.detect.settings.Settings`.
    detect: dict[str, Any] = {}
    #: Which metrics are taken at all and under which names, first match first: `tocsin.filters`.
    intake: list[dict[str, Any]] = []
    #: Which metrics are monitored and how, first match first: see `tocsin.rules`.
    watch: list[dict[str, Any]] = []
    #: Which events alarm, how severe they are and who is told, first match first.
    alert: list[AlertRule] = []
    #: Which events belong together.
    incidents: Grouping = Grouping()
    #: Metrics that fall silent: see `tocsin.alarms.Silence`.
    silence: Silence = Silence()
    #: Files whose new lines are samples.
    follow: list[Follow] = []
    #: Where results are pushed to.
    publish: list[JsonLines | RemoteWrite] = []
    #: Prometheus targets that are scraped.
    scrape: list[Scrape] = []
    #: Where notifications go: see `tocsin.channels`.
    channel: list[Channel] = []
    #: Where people reach the page, for links in notifications; left out: ``http``.
    public_url: Annotated[str, msgspec.Meta(pattern="^https?://[^ /]")] | None = None
    #: How long results stay in the outbox for those who follow them (hours), and how long for a
    #: named subscriber that does not confirm them (days).
    outbox_hours: Annotated[float, msgspec.Meta(ge=0, le=8_784)] = 24.0
    outbox_days_most: Annotated[float, msgspec.Meta(gt=0, le=366)] = 7.0

    @property
    def settings(self) -> Settings:
        """The settings that every metric is watched with."""
        return Settings.of(self.detect)

    @property
    def rules(self) -> Rules:
        """The rules of ``watch`` over ``detect``."""
        return Rules.of(self.detect, self.watch)

    @property
    def alarms(self) -> AlertRules:
        """The rules of ``alert``."""
        return AlertRules(self.alert)

    @property
    def filters(self) -> Filters:
        """The rules of ``intake``."""
        return Filters.of(self.intake)

    @property
    def channel_names(self) -> list[str]:
        """Of all channels, in the order in which they are configured."""
        return [one.name for one in self.channel]

    @property
    def watches_itself(self) -> bool:
        """Whether Tocsin itself is watched."""
        return bool(self.channel) if self.watch_self is None else self.watch_self

    @property
    def page_url(self) -> str:
        """Where links lead, without a slash at the end; "": there is no page."""
        if self.public_url:
            return self.public_url.rstrip("/")
        return f"http://{self.http_address}" if self.http_address else ""

    @property
    def http_address(self) -> Address | None:
        """Where the page and API listen, or None when off."""
        return _address("http", self.http)

    @property
    def graphite_address(self) -> Address | None:
        """Where Graphite lines are taken, or None when off."""
        return _address("graphite", self.graphite)

    @property
    def socket_addresses(self) -> dict[str, Address]:
        """Where protocols without a token are taken, by key; those that are off are left out."""
        told = {key: _address(key, getattr(self, key)) for key in SOCKETS}
        return {key: address for key, address in told.items() if address}

    @property
    def url(self) -> str:
        """The database's SQLAlchemy URL."""
        return self.database or f"sqlite:///{Path(self.data) / 'tocsin.db'}"


_KEYS: Final = tuple(field.name for field in msgspec.structs.fields(Config))
#: Keys that no environment variable gives as a whole.
_TABLES: Final = (
    *("detect", "intake", "watch", "alert", "incidents", "follow", "publish", "scrape"),
    *("channel", "silence"),
)
#: Keys whose values no error shows.
_SECRET: Final = ("token", "channel")
_HINTS: Final = {field.name: field.type for field in msgspec.structs.fields(Config)}


def load(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """The configuration from a file, the environment and flags (None: not given).

    Errors: `ConfigurationError` names the file or variable, the key, and what is allowed.
    """
    told: dict[str, Any] = {}
    if path is not None:
        told = _of_file(path)
    _merge(told, _of_environment(environment))
    _merge(told, {key: value for key, value in flags.items() if value is not None})
    config = _convert(told, "configuration")
    _check(config)
    check_channels(config.channel, environment)
    return config


def _merge(told: dict[str, Any], more: Mapping[str, Any]) -> None:
    detect = {**told.get("detect", {}), **more.get("detect", {})}
    told.update(more)
    if detect:
        told["detect"] = detect


def _of_file(path: Path) -> dict[str, Any]:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from error
    for key in told:
        if key not in _KEYS:
            raise ConfigurationError(f"{path}: unknown key {key!r}{_near(key, _KEYS)}")
    _convert(told, str(path))
    return told


def _near(key: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (known: {', '.join(known)})"


def _convert(told: dict[str, Any], where: str) -> Config:
    try:
        return msgspec.convert(told, Config)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$.")
        key = at.rstrip("`")
        said = f"{key} = {told[key]!r}: " if key in told and key not in _SECRET else f"{key}: "
        raise ConfigurationError(f"{where}: {said}{what}") from error


def _of_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    names = {PREFIX + key.upper(): key for key in _KEYS if key not in _TABLES}
    for variable, text in environment.items():
        if variable in names:
            key = names[variable]
            told[key] = _read(variable, text, _HINTS[key])
        elif variable.startswith(f"{PREFIX}DETECT_"):
            option = variable.removeprefix(f"{PREFIX}DETECT_").lower()
            told.setdefault("detect", {})[option] = _number_or_text(text)
        elif variable.startswith(PREFIX):
            _refuse_typo(variable, tuple(names))
    return told


def _refuse_typo(variable: str, known: tuple[str, ...]) -> None:
    # Others may use the prefix for things of their own; only a near miss is surely a mistake.
    if get_close_matches(variable, known, n=1, cutoff=0.88):
        raise ConfigurationError(
            f"environment: unknown variable {variable}{_near(variable, known)}"
        )


def _read(variable: str, text: str, hint: Any) -> Any:
    given = (
        [part.strip() for part in text.split(",")] if get_origin(hint) in (list, tuple) else text
    )
    try:
        return msgspec.convert(given, hint, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"environment: {variable}: {error}") from error


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _address(key: str, text: str) -> Address | None:
    if text == OFF:
        return None
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ConfigurationError(
            f"{key} = {text!r}: must be HOST:PORT, for example 127.0.0.1:8765, or 'off'"
        )
    return Address(host, int(port))


def _check(config: Config) -> None:
    """What no single key can say; also makes the parts that are only read later."""
    _ = config.http_address
    if config.token is not None and len(config.token) < 8:
        raise ConfigurationError("token: must have at least 8 characters")
    for key, address in config.socket_addresses.items():
        if not address.loopback and not config.insecure:
            raise ConfigurationError(
                f"{key} = '{address}' lets other machines in, and this protocol carries no token: "
                "set insecure = true to allow it, or listen on 127.0.0.1"
            )
    _ = config.filters
    _check_models(config)
    _check_follow(config)
    _check_publish(config)
    _check_scrape(config)


def _check_follow(config: Config) -> None:
    seen: dict[str, int] = {}
    for number, one in enumerate(config.follow):
        try:
            zone(one.timezone)
        except ConfigurationError as error:
            raise ConfigurationError(f"follow[{number}]: {error}") from error
        first = seen.setdefault(str(Path(one.path).absolute()), number)
        if first != number:
            raise ConfigurationError(f"follow[{number}]: has the same path as follow[{first}]")


def _check_models(config: Config) -> None:
    """Nobody else's code is run unless the operator says so."""
    asked = {"detect": config.settings.model}
    for rule in config.rules:
        asked[f"watch rule {rule.number}"] = rule.options.get("model", Settings().model)
    for place, model in asked.items():
        if model not in MODELS and not permitted(model, config.allow_models):
            raise ConfigurationError(
                f"{place}: model = {model!r}: somebody else's code is only run with your consent: "
                f'allow_models = ["{Named.of(model).path}"]'
            )


def _check_publish(config: Config) -> None:
    for key in ("subscriber", "path"):
        seen: dict[str, int] = {}
        for number, destination in enumerate(config.publish):
            told = getattr(destination, key, None)
            first = number if told is None else seen.setdefault(told, number)
            if first != number:
                raise ConfigurationError(
                    f"publish[{number}]: has the same {'path' if key == 'path' else 'name'} as "
                    f"publish[{first}]: every destination needs its own"
                )
    if config.outbox_days_most * 24 < config.outbox_hours:
        raise ConfigurationError(
            f"outbox_days_most = {config.outbox_days_most:g}: must not be less than "
            f"outbox_hours = {config.outbox_hours:g}"
        )


def _check_scrape(config: Config) -> None:
    seen: dict[tuple[str, str], int] = {}
    for number, scrape in enumerate(config.scrape):
        for target in scrape.targets:
            url = target if "://" in target else f"{scrape.scheme}://{target}{scrape.path}"
            _check_target(f"scrape[{number}]: targets", target, url)
            first = seen.setdefault((scrape.job, url), number)
            if first != number or scrape.targets.count(target) > 1:
                raise ConfigurationError(
                    f"scrape[{number}]: targets: {target!r} of job {scrape.job!r} is there twice"
                )


def _check_target(place: str, target: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or any(character.isspace() for character in url):
        raise ConfigurationError(
            f"{place}: {target!r} must be HOST:PORT or a URL such as http://host:9100/metrics"
        )
