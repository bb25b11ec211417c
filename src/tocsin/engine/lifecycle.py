"""What may be done with a metric in which status, and what comes of it: one table, no side effects.

``docs/lifecycle.md`` shows the same table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tocsin.errors import ActionRefusedError, MetricNotActiveError
from tocsin.samples import SECOND_NS

__all__ = [
    "BACK_OFF_MOST_S",
    "BEGUN",
    "LEARNING",
    "TABLE",
    "Action",
    "Refusal",
    "Standing",
    "Status",
    "Why",
    "after",
    "back_off",
    "settled",
    "step",
]


class Status(StrEnum):
    """What is being done with a metric."""

    UNMONITORED = "unmonitored"
    WARMING_UP = "warming_up"
    ACTIVE = "active"
    PAUSED = "paused"
    ERROR = "error"


class Action(StrEnum):
    """What happens to a metric: the first nine are asked for, the others are the engine's own."""

    MONITOR = "monitor"
    UNMONITOR = "unmonitor"
    PAUSE = "pause"
    RESUME = "resume"
    RESET = "reset"
    #: Its settings are changed.
    CHANGE = "change"
    CLONE = "clone"
    EXPORT = "export"
    DELETE = "delete"
    #: A sample was scored.
    RESULT = "result"
    #: Enough samples are learnt for likelihoods.
    READY = "ready"
    #: The state is learnt anew from the stored samples.
    RELEARN = "relearn"
    #: The model raised, hung or died.
    FAIL = "fail"
    #: The back-off is over.
    RETRY = "retry"


class Refusal(StrEnum):
    """Why an action is impossible in a status, with what to do instead."""

    MONITOR_FIRST = "it is not monitored: monitor it first"
    RESUME_IT = "it is monitored, and paused: resume it"
    TRY_AGAIN = "it is monitored, and in error: resume it to try again at once"
    NOT_SCORED = "it is not being scored"


class Why(StrEnum):
    """Reasons for a status that are not a model's failure."""

    #: Somebody asked for it.
    ASKED = "asked"
    #: A rule of the configuration says so.
    RULE = "rule"
    #: Its rule monitors as many metrics as it may.
    RULE_FULL = "rule_full"
    #: It is gone; its samples are being removed.
    DELETED = "deleted"
    #: An archive is being read into it.
    IMPORTING = "importing"


Outcome = Status | Refusal

#: A metric in one of these is scored, and learns.
LEARNING: Final = (Status.WARMING_UP, Status.ACTIVE)

_U, _W, _A, _P, _E = Status
_FIRST, _UNSCORED = Refusal.MONITOR_FIRST, Refusal.NOT_SCORED

# Columns as in `Status`. An action that is repeated changes nothing, so that one whose answer
# was lost may be sent again.
_ROWS: Final[dict[Action, tuple[Outcome, Outcome, Outcome, Outcome, Outcome]]] = {
    #                 unmonitored  warming_up  active     paused             error
    Action.MONITOR: (_W, _W, _A, Refusal.RESUME_IT, Refusal.TRY_AGAIN),
    Action.UNMONITOR: (_U, _U, _U, _U, _U),
    Action.PAUSE: (_FIRST, _P, _P, _P, _P),
    Action.RESUME: (_FIRST, _W, _A, _W, _W),
    Action.RESET: (_FIRST, _W, _W, _P, _W),
    Action.CHANGE: (_U, _W, _W, _P, _W),
    Action.CLONE: (_U, _W, _A, _P, _E),
    Action.EXPORT: (_U, _W, _A, _P, _E),
    Action.DELETE: (_U, _U, _U, _U, _U),
    Action.RESULT: (_UNSCORED, _W, _A, _UNSCORED, _UNSCORED),
    Action.READY: (_UNSCORED, _A, _A, _UNSCORED, _UNSCORED),
    Action.RELEARN: (_U, _W, _W, _P, _E),
    Action.FAIL: (_UNSCORED, _E, _E, _UNSCORED, _E),
    Action.RETRY: (_UNSCORED, _W, _A, _UNSCORED, _W),
}

#: The whole state machine. A status that learns and is ready is `ACTIVE`: see `settled`.
TABLE: Final = MappingProxyType(
    {
        (status, action): outcome
        for action, row in _ROWS.items()
        for status, outcome in zip(Status, row, strict=True)
    }
)

#: Refusals of these are about results, not about somebody's wish.
_OF_RESULTS: Final = (Action.RESULT, Action.READY, Action.FAIL, Action.RETRY)


def after(status: Status, action: Action) -> Status:
    """The status that ``action`` leads to.

    Errors: `ActionRefusedError` when it is impossible in ``status``; `MetricNotActiveError` when
    it is about a result.
    """
    outcome = TABLE[status, action]
    if isinstance(outcome, Status):
        return outcome
    kind = MetricNotActiveError if action in _OF_RESULTS else ActionRefusedError
    raise kind(f"cannot {action} a metric that is {status}: {outcome}")


def settled(status: Status, ready: bool) -> Status:
    """A metric that warms up is active as soon as it has learnt enough."""
    return after(status, Action.READY) if ready and status == Status.WARMING_UP else status


#: The longest pause between two tries of a metric in error.
BACK_OFF_MOST_S: Final = 3_600


def back_off(failures: int) -> int:
    """Seconds to wait after so many failures in a row: 1, 2, 4 … up to an hour.

    >>> [back_off(n) for n in (1, 2, 3, 12, 13, 1_000)]
    [1, 2, 4, 2048, 3600, 3600]
    """
    return min(BACK_OFF_MOST_S, 1 << min(max(failures, 1) - 1, 12))


@dataclass(frozen=True, slots=True)
class Standing:
    """A metric's status, why, and until when: the columns of the table `metric`."""

    status: Status
    #: A code: one of `Why`, or how a model failed.
    reason: str | None = None
    #: The same in words.
    detail: str | None = None
    #: When it is looked at again (ns, UTC).
    deadline: int | None = None
    #: Failures in a row.
    failures: int = 0

    @property
    def learns(self) -> bool:
        """Whether samples are scored and learnt."""
        return self.status in LEARNING

    def due(self, now: int) -> Action | None:
        """What is to be done now that its deadline is over, if it is."""
        if self.deadline is None or now < self.deadline:
            return None
        return {Status.ERROR: Action.RETRY, Status.PAUSED: Action.RESUME}.get(self.status)


#: How most metrics begin.
BEGUN: Final = Standing(Status.WARMING_UP)

_FORGIVEN: Final = (Action.RESULT, Action.RESET, Action.CHANGE, Action.MONITOR, Action.UNMONITOR)


def step(
    standing: Standing,
    action: Action,
    *,
    now: int = 0,
    reason: str | None = None,
    detail: str | None = None,
    until: int | None = None,
) -> Standing:
    """The standing that ``action`` leads to at time ``now`` (ns, UTC).

    ``reason`` and ``detail`` say why; ``until`` ends a pause by itself. A failure sets the
    deadline by `back_off`. Errors: as `after`.
    """
    status = after(standing.status, action)
    failures = 0 if action in _FORGIVEN else standing.failures
    if action is Action.FAIL:
        failures += 1
        deadline = now + back_off(failures) * SECOND_NS
        return Standing(status, reason, detail, deadline, failures)
    if action is Action.PAUSE:
        return Standing(status, reason or Why.ASKED, detail, until, failures)
    if action is Action.DELETE:
        return Standing(status, Why.DELETED, detail)
    if action is Action.UNMONITOR and standing.status != status:
        return Standing(status, reason or Why.ASKED, detail)
    if status in LEARNING:
        return Standing(status, failures=failures)
    return replace(standing, failures=failures)
