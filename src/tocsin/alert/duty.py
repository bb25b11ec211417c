"""On duty: follows the results, and keeps the incidents.

Incidents, what became of them, messages about them and the position that they are valid for are
written in one transaction, as the owner of the database: whenever the process is killed, the next
one goes on exactly there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy import Engine as Database

from tocsin.alarms import AlertRules
from tocsin.alert.incidents import Entry, Incident, Incidents, Terms
from tocsin.alert.judging import Judge
from tocsin.alert.keeping import PauseKeeper
from tocsin.alert.ledger import Ledger
from tocsin.alert.outgoing import queue
from tocsin.alert.peers import Peers
from tocsin.alert.rhythm import Rhythm
from tocsin.errors import (
    ActionRefusedError,
    ConfigurationError,
    OwnerLostError,
    StoreError,
    TocsinError,
)
from tocsin.publish.delivery import Delivery, Item
from tocsin.publish.subscribers import note_position
from tocsin.store.commits import Writer
from tocsin.store.rule_sets import RuleSet, newest_rules, put_rules

if TYPE_CHECKING:
    from tocsin.alert.silence import Silences
    from tocsin.config import Config
    from tocsin.publish.publishing import Publishing
    from tocsin.samples import Metric

__all__ = ["SUBSCRIBER", "Duty", "Ruling"]

_log: Final = structlog.get_logger("tocsin.alert")
T = TypeVar("T")

#: Under which name the position is kept.
SUBSCRIBER: Final = "tocsin.incidents"
#: How often the clock is told when nothing comes, and a position without news is noted (seconds).
_TICK_S: Final = 1.0
_NOTE_S: Final = 5.0
#: Pauses after failures: the first, doubling up to the last (seconds).
_FIRST_PAUSE_S: Final = 0.5
_LAST_PAUSE_S: Final = 30.0

#: Told, in any thread, of every incident that has changed (its row), after the commit.
Listener = Callable[[Sequence[dict[str, Any]]], None]


class Ruling(NamedTuple):
    """The rules that count."""

    rules: AlertRules
    source: Literal["file", "interface"]
    #: What was set last; None: nothing ever was.
    last: RuleSet | None


class Duty:
    """A thread that follows the results; people's doings come from any thread."""

    def __init__(
        self,
        database: Database,
        publishing: Publishing,
        config: Config,
        metrics: Sequence[Metric],
        *,
        silences: Silences | None = None,
        clock: Callable[[], int] = time.time_ns,
        tick_s: float = _TICK_S,
    ) -> None:
        """Go on where the last start stood. ``metrics``: the registry's list, which grows.

        ``silences``: who watches for them; None: nobody does. Errors: `StoreError`.
        """
        #: Why nothing gets on at the moment; None when all is well.
        self.trouble: str | None = None
        self.listeners: list[Listener] = []
        self._writer = Writer(database)
        self._ledger = Ledger(database)
        self._publishing = publishing
        self._channels: Sequence[str] = config.channel_names
        self._terms = Terms.of(config.incidents, config.settings.false_alarms_per_week)
        self._peers = Peers(metrics)
        self._rhythm = Rhythm(database)
        self._of_file, self._set = config.alarms, newest_rules(database)
        rules = self._of_file if self._set is None else self._read(self._set)
        self._judge = Judge(rules, self._peers.of, self._rhythm.interval_s, metrics)
        self._metrics = metrics
        self._clock = clock
        self._tick_s = tick_s
        # Held while the incidents are changed, until that is written.
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tocsin-incidents", daemon=True)
        #: Everything up to here is in the incidents; where that was noted, and when it is next.
        self._position = self._noted = 0
        self._note_at = 0.0
        self._silences = silences
        if silences is not None:
            self._pauses = PauseKeeper(database, self._writer, silences.pauses)
            silences.begin(self._pauses.load())
        self._begin()

    def start(self) -> None:
        """Begin. Before the engine, so that nothing need be read again."""
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Take what is there, for at most so many seconds. After the engine and the feed."""
        self._thread.join(seconds)
        self._stop.set()
        self._subscription.close()
        self._thread.join()

    def rule(self, rules: AlertRules, channels: Sequence[str]) -> None:
        """The configuration's rules, and its channels (their names), are others from now on.

        Rules that were set through the interface go before them.
        """
        with self._lock:
            self._of_file, self._channels = rules, channels
            if self._set is None or self._set.rules is None:
                self._judge.rules = rules

    def decide(self, rules: AlertRules | None, author: str, revision: int | None) -> Ruling:
        """Set rules that count from now on; None: those of the configuration again.

        ``revision``: the one that they are made from; None: whichever. Errors:
        `ActionRefusedError` when there is another by now, `StoreError`; nothing has changed then.
        """
        with self._lock:
            known = 0 if self._set is None else self._set.revision
            if revision is not None and revision != known:
                raise ActionRefusedError(
                    f"revision {revision} is not the newest: somebody has changed the rules since "
                    f"(revision {known}); look at them again"
                )
            told, now = None if rules is None else rules.data(), self._clock()
            self._set = self._writer.write(lambda c: put_rules(c, told, author, now))
            self._judge.rules = self._of_file if rules is None else rules
            return self.ruling()

    def ruling(self) -> Ruling:
        """The rules that count, and where they come from."""
        with self._lock:
            by_hand = self._set is not None and self._set.rules is not None
            return Ruling(self._judge.rules, "interface" if by_hand else "file", self._set)

    def judge_by(self, rules: AlertRules) -> Judge:
        """One that judges by other rules, to try them out; for any thread."""
        return Judge(rules, lambda _bonds: {}, self._rhythm.interval_s, self._metrics)

    def _read(self, told: RuleSet) -> AlertRules:
        if told.rules is None:
            return self._of_file
        try:
            return AlertRules.of(told.rules)
        except ConfigurationError as error:
            # Of another version, perhaps: people are told as the file says rather than not at all.
            _log.error("rules_unreadable", reason=str(error), then="those of the file are used")
            return self._of_file

    @property
    def position(self) -> int:
        """Everything up to this position of the feed is in the incidents."""
        with self._lock:
            return self._position

    def act(self, number: int, action: Callable[[Incidents, int], T]) -> bool:
        """Change an incident as a person asks: ``action`` gets all incidents, and the time.

        False: there is no such incident. Errors: `StoreError`, and whatever ``action`` raises;
        nothing is changed then.
        """
        with self._lock:
            if self._incidents.find(number) is None:
                found = self._ledger.one(number)
                if found is None:
                    return False
                self._incidents.adopt(found)
            try:
                now = self._clock()
                action(self._incidents, now)
                self._write(None, now)
            except BaseException:
                self._load()
                raise
        return True

    # The thread

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        going = True
        while going and not self._stop.is_set():
            try:
                going = self._step()
                pause, self.trouble = _FIRST_PAUSE_S, None
            except OwnerLostError as error:
                self._tell(error)
                return
            except Exception as error:
                self._tell(error)
                self._stop.wait(pause)
                pause = min(2 * pause, _LAST_PAUSE_S)
                self._begin_again()
        if self._silences is not None:
            with suppress(StoreError):
                self._pauses.write_all(self._clock())

    def _step(self) -> bool:
        """Take one item, or tell the time; False: there will be no more."""
        while self._peers.look() and not self._stop.is_set():
            pass
        item = self._subscription.take(self._tick_s)
        with self._lock:
            now = self._clock()
            if isinstance(item, Delivery):
                self._peers.look()
                for change in item.events:
                    self._incidents.take(self._judge.report(change))
            self._listen(now)
            self._incidents.advance(now)
            self._write(item if item is not None and item.ends else None, now)
        return item is not None or not self._subscription.closed

    def _listen(self, now: int) -> None:
        """Look who is silent, now and then."""
        if self._silences is None or not self._silences.due():
            return
        for report in self._silences.look(now, self._judge):
            self._incidents.take(report)
        self._pauses.work(now)

    def _write(self, item: Item | None, now: int) -> None:
        """Write all that has changed, with the position; without news, that now and then."""
        if item is not None:
            self._position = item.position
        changed, entries = self._incidents.changes()
        due = time.monotonic() >= self._note_at and self._position != self._noted
        if not changed and not due:
            return
        rows = self._writer.write(lambda connection: self._all(connection, changed, entries, now))
        self._noted, self._note_at = self._position, time.monotonic() + _NOTE_S
        news = [row for one, row in zip(changed, rows, strict=True) if one.is_news()]
        for listener in self.listeners if news else ():
            listener(news)

    def _all(
        self,
        connection: Connection,
        changed: Sequence[Incident],
        entries: Sequence[Entry],
        now: int,
    ) -> list[dict[str, Any]]:
        told = [(one, list(one.tell(now, self._terms))) for one in changed]
        rows = self._ledger.write(connection, changed, entries)
        for (one, news), row in zip(told, rows, strict=True):
            for change in news:
                queue(connection, row, change, self._routes(one), now)
        note_position(connection, SUBSCRIBER, self._position, now)
        return rows

    def _routes(self, incident: Incident) -> Sequence[str]:
        if incident.routes is None:
            return self._channels
        return [name for name in self._channels if name in incident.routes]

    # Beginning

    def _begin(self) -> None:
        self._position = self._noted = self._publishing.subscribers.register(
            SUBSCRIBER, self._publishing.feed.newest
        )
        self._load()
        self._subscription = self._publishing.feed.subscribe(self._position)

    def _load(self) -> None:
        """The incidents as they were last written."""
        known, last = self._ledger.load()
        self._incidents = Incidents(self._terms, known, last)
        if self._silences is not None:
            self._silences.restore(self._incidents, self._ledger.lowest())

    def _begin_again(self) -> None:
        """After a failure: as after a start."""
        try:
            with self._lock:
                self._subscription.close()
                self._begin()
        except TocsinError as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if self.trouble is None:
            known = isinstance(error, TocsinError)
            _log.error("incidents_failed", reason=str(error), exc_info=not known)
        self.trouble = str(error) or type(error).__name__
