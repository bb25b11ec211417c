"""What is let in: rules of intake over every batch, and how many new metrics a sender makes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.engine.batch import Batch, Reason, Receipt, Rejection
from tocsin.errors import BadInputError
from tocsin.filters import Filters
from tocsin.samples import SECOND_NS, Metric, Samples

__all__ = ["Gate", "Newcomers", "Passed"]

_HOUR_NS: Final = 3_600 * SECOND_NS
#: Fewer verdicts are not worth forgetting.
_FEWEST: Final = 10_000
#: How many senders are told apart; beyond, the one that has been quiet longest starts anew.
_SENDERS: Final = 10_000

#: As what a metric is taken; None: dropped; a text: why it cannot be.
Verdict = Metric | str | None


@dataclass(frozen=True, slots=True)
class Passed:
    """A batch behind the gate, and what stayed before it."""

    batch: Batch
    #: Where each sample stood in the batch as it was sent; None: where it stands.
    places: NDArray[np.int64] | None = None
    filtered: int = 0
    rejected: Sequence[Rejection] = ()

    def receipt(self, receipt: Receipt) -> Receipt:
        """The engine's receipt in terms of the batch as it was sent."""
        if self.places is None:
            return receipt
        moved = [replace(r, index=int(self.places[r.index])) for r in receipt.rejected]
        rejected = sorted([*self.rejected, *moved], key=lambda r: r.index)
        return replace(receipt, rejected=rejected, filtered=self.filtered)

    def promised(self, inner: Future[Receipt]) -> Future[Receipt]:
        """The same for a receipt that is still to come."""
        if self.places is None:
            return inner
        outer: Future[Receipt] = Future()
        inner.add_done_callback(lambda done: self._settle(done, outer))
        return outer

    def _settle(self, done: Future[Receipt], outer: Future[Receipt]) -> None:
        # Whoever waited may have gone away meanwhile.
        if not outer.set_running_or_notify_cancel():
            return
        error = done.exception()
        if error is not None:
            outer.set_exception(error)
        else:
            outer.set_result(self.receipt(done.result()))


class Gate:
    """Applies the rules; remembers what they say of each metric. Any threads.

    Cost: nothing without rules; else a dict look-up per metric of a batch. Memory: about 100 bytes
    for each of ``most`` verdicts, then it begins anew.
    """

    def __init__(self, filters: Filters, most: int) -> None:
        self._filters = filters
        self._most = max(most, _FEWEST)
        self._known: dict[tuple[str, Metric], Verdict] = {}

    def pass_(self, batch: Batch) -> Passed:
        """The batch under the names that the rules give, without what they drop."""
        if not self._filters:
            return Passed(batch)
        verdicts = [self._verdict(batch.protocol, metric) for metric in batch.metrics]
        taken = [verdict for verdict in verdicts if isinstance(verdict, Metric)]
        if len(taken) == len(verdicts):
            return Passed(replace(batch, metrics=taken))
        return _split(batch, verdicts)

    def _verdict(self, protocol: str, metric: Metric) -> Verdict:
        known, key = self._known, (protocol, metric)
        try:
            return known[key]
        except KeyError:
            pass
        try:
            verdict: Verdict = self._filters.apply(protocol, metric)
        except BadInputError as error:
            verdict = str(error)
        if len(known) >= self._most:
            known.clear()
        known[key] = verdict
        return verdict


def _split(batch: Batch, verdicts: Sequence[Verdict]) -> Passed:
    taken = np.array([isinstance(verdict, Metric) for verdict in verdicts], dtype=np.bool_)
    given = batch.samples
    which = taken[given.metric]
    places = np.flatnonzero(which)
    rejected = [
        Rejection(place, Reason.BAD_METRIC, told)
        for place in np.flatnonzero(~which).tolist()
        if isinstance(told := verdicts[int(given.metric[place])], str)
    ]
    # Metrics without a sample are not made: their places in the list are kept.
    metrics = [
        verdict if isinstance(verdict, Metric) else metric
        for metric, verdict in zip(batch.metrics, verdicts, strict=True)
    ]
    samples = Samples(given.metric[places], given.timestamp[places], given.value[places])
    passed = replace(batch, metrics=metrics, samples=samples)
    return Passed(passed, places, len(given) - len(places) - len(rejected), rejected)


class Newcomers:
    """How many metrics each sender may bring into being: ``most`` at once, and as many an hour.

    One thread. Memory: about 200 bytes for each of 10,000 senders.
    """

    def __init__(self, most: int, senders: int = _SENDERS) -> None:
        self._most = float(most)
        self._limit = senders
        #: By sender, the most recent last: how many more there may be, and when that was so.
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, sender: str, now: int) -> bool:
        """Whether there may be one more; ``now``: the wall clock (ns)."""
        left, at = self._left.get(sender, (self._most, now))
        # A clock that is set back gives nothing and takes nothing.
        left = min(self._most, left + max(0, now - at) * self._most / _HOUR_NS)
        may = left >= 1
        self._left[sender] = (left - 1 if may else left, now)
        self._left.move_to_end(sender)
        if len(self._left) > self._limit:
            self._left.popitem(last=False)
        return may
