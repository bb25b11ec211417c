"""Keeping samples as long as configured: the engine's part of retention."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Engine as Database

from tocsin.config import Config
from tocsin.engine.committing import Job
from tocsin.engine.lanes import Lanes
from tocsin.engine.registry import Registry
from tocsin.errors import OwnerLostError, StoreError
from tocsin.rules import settings_hash
from tocsin.samples import SECOND_NS
from tocsin.store.commits import Writer
from tocsin.store.retention import Keep, Retention

__all__ = ["Keeping"]

_log: Final = structlog.get_logger("tocsin.engine")
_DAY_NS: Final = 86_400 * SECOND_NS
_NEVER_S: Final = 3_600.0
#: Seconds until the engine's thread looks whether a step is over.
_LOOK_S: Final = 0.2
#: At least this many times as long as a step took is left to samples before the next one.
_REST: Final = 4


class Keeping:
    """Has samples deleted that are older, or more, than configuration and rules keep."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        config: Config,
        registry: Registry,
        lanes: Lanes,
        put: Callable[[Job], None],
    ) -> None:
        self._all = _keep(config.keep_days, config.keep_samples)
        self._rules = config.rules
        self._registry = registry
        self._lanes = lanes
        self._put = put
        self._retention = Retention(database, writer, self.keep_of, hash_of=self.hash_of)
        limited = any(rule.keep_days or rule.keep_samples for rule in self._rules)
        self._idle = self._all == Keep() and not limited
        self._under_way = False
        self._next = 0.0

    def seconds_left(self) -> float:
        """How long until `work` has something to do."""
        if self._idle:
            return _NEVER_S
        if self._under_way:
            return _LOOK_S
        return max(self._retention.seconds_left(), self._next - time.monotonic())

    def work(self) -> None:
        """Hand over a step when it is time."""
        if self.seconds_left() <= 0.0:
            self._under_way = True
            self._put(_Step(self))

    def keep_of(self, metric_id: int) -> Keep:
        """What is kept of a metric: what its rule says, else what the configuration says."""
        row = self._registry.row_of_id(metric_id)
        rule = self._rules.rule_of(self._registry.metrics[row]) if row >= 0 else None
        if rule is None:
            return self._all
        told = _keep(rule.keep_days, rule.keep_samples)
        return Keep(
            self._all.age_ns if told.age_ns is None else told.age_ns,
            self._all.count if told.count is None else told.count,
        )

    def hash_of(self, metric_id: int) -> str | None:
        """Which snapshots of a metric a restart could use; None: it has no state."""
        row = self._registry.row_of_id(metric_id)
        lane = self._lanes.of(row) if row >= 0 else None
        return None if lane is None else settings_hash(lane.settings)

    def step(self) -> None:
        """Take one step, in the writer's thread.

        Samples wait for that thread, so nothing is waited for here: a step that fails (somebody
        reads what is to go, say) is left to the next round. Errors: `OwnerLostError`.
        """
        began = time.monotonic()
        try:
            self._retention.work()
        except OwnerLostError:
            raise
        except Exception as error:
            _log.warning("retention_postponed", reason=str(error))
            self._retention.postpone()
        self._next = time.monotonic() + _REST * (time.monotonic() - began)

    def stepped(self) -> None:
        """A step is over."""
        self._under_way = False


def _keep(days: float | None, count: int | None) -> Keep:
    return Keep(None if days is None else int(days * _DAY_NS), count)


class _Step:
    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    def write(self, writer: Writer, *, again: bool) -> None:
        """Delete a little; to do it twice does no harm."""
        del writer, again
        self._keeping.step()

    def done(self) -> None:
        """The next step may follow."""
        self._keeping.stepped()

    def lost(self, error: StoreError) -> None:
        """The next start goes on."""
