"""The book of deliveries: what senders that count their batches have been answered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tocsin.engine.batch import Batch, Reason, Receipt, Rejection
from tocsin.samples import SECOND_NS

__all__ = ["KEY", "KEYS_KEPT_NS", "MOST", "SOURCES_KEPT_NS", "Admitted", "Deliveries"]

#: Sources that begin so are keys of one request each, and remembered for a shorter time.
KEY: Final = "http:"
_DAY_NS: Final = 86_400 * SECOND_NS
KEYS_KEPT_NS: Final = _DAY_NS
SOURCES_KEPT_NS: Final = 90 * _DAY_NS
#: How many sources are known without asking the database.
MOST: Final = 200_000
_REUSED: Final = "the key was used for other samples before: give each request its own"

Row = Mapping[Any, Any]
#: Looks up a source's row of the table `delivery`.
Find = Callable[[str], Row | None]


@dataclass(slots=True)
class Admitted:
    """Which batches of a group are news, and the answers of the others."""

    #: Places of the batches to be processed, in order.
    fresh: list[int]
    #: Of the others: the answer, or the place of the same batch in this group.
    again: dict[int, Receipt | int] = field(default_factory=dict)

    def answers(self, receipts: Sequence[Receipt]) -> list[Receipt]:
        """One receipt per batch of the group, from those of the fresh ones."""
        told: dict[int, Receipt] = dict(zip(self.fresh, receipts, strict=True))
        for place, answer in self.again.items():
            told[place] = told[answer] if isinstance(answer, int) else answer
        return [told[place] for place in range(len(told))]


class Deliveries:
    """How far each source has been taken. One thread at a time.

    A source sends positions that rise, each only after the one before was answered; so what is at
    or below the last position was taken already, and is answered without any effect.
    Memory: about 150 bytes per source, for ``most`` of them; others are looked up.
    """

    def __init__(self, known: Iterable[Row], find: Find, *, most: int = MOST) -> None:
        """``known``: the last ``most`` rows of the table `delivery`, the oldest first."""
        self._find = find
        self._most = most
        self._keys = _Recent(KEYS_KEPT_NS)
        self._sources = _Recent(SOURCES_KEPT_NS)
        for row in known:
            self._of(row["source"]).put(row["source"], row["position"], row["at"])
        #: The database may know sources that were forgotten here.
        self._partial = len(self._keys) + len(self._sources) >= most

    def admit(self, batches: Sequence[Batch], now: int) -> Admitted:
        """Tell news from what was sent again.

        Cost: nothing where no batch has a source; a look-up per batch that comes again.
        """
        if all(batch.source is None for batch in batches):
            return Admitted(list(range(len(batches))))
        self._keys.expire(now)
        self._sources.expire(now)
        admitted = Admitted([])
        here: dict[str, int] = {}
        for place, batch in enumerate(batches):
            answer = self._answer(batch, batches, here, now)
            if answer is None:
                admitted.fresh.append(place)
                if batch.source is not None:
                    here[batch.source] = place
            else:
                admitted.again[place] = answer
        return admitted

    def record(
        self, batches: Sequence[Batch], admitted: Admitted, receipts: Sequence[Receipt], now: int
    ) -> list[dict[str, Any]]:
        """Rows of the table `delivery` for the group's commit; ``receipts``: one per batch."""
        rows: dict[str, dict[str, Any]] = {}
        for place in admitted.fresh:
            batch = batches[place]
            if batch.source is not None:
                rows[batch.source] = _row(batch, receipts[place], now)
                self._remember(batch.source, batch.position, now)
        return list(rows.values())

    def _answer(
        self, batch: Batch, batches: Sequence[Batch], here: Mapping[str, int], now: int
    ) -> Receipt | int | None:
        """A receipt, the place of the same batch in this group, or None for news."""
        if batch.source is None:
            return None
        if (place := here.get(batch.source)) is not None:
            last = batches[place]
            if batch.position > last.position:
                return None
            same = batch.position == last.position and _digest(batch) == _digest(last)
            return place if same else _no_effect(batch)
        position = self._position(batch.source, now)
        if position is None or batch.position > position:
            return None
        return self._written(batch)

    def _position(self, source: str, now: int) -> int | None:
        recent = self._of(source)
        if (position := recent.get(source)) is not None or not self._partial:
            return position
        found = self._find(source)
        if found is None or recent.expired(found["at"], now):
            return None
        return int(found["position"])

    def _written(self, batch: Batch) -> Receipt:
        """What the last batch of the source was answered, if this is the same."""
        assert batch.source is not None
        found = self._find(batch.source)
        if found is not None and found["position"] == batch.position:
            written = msgspec.json.decode(found["receipt"], type=_Written)
            if written.digest == _digest(batch):
                return written.receipt()
        return _no_effect(batch)

    def _remember(self, source: str, position: int, at: int) -> None:
        recent = self._of(source)
        recent.put(source, position, at)
        if len(recent) > self._most:
            recent.drop_first()
            self._partial = True

    def _of(self, source: str) -> _Recent:
        return self._keys if source.startswith(KEY) else self._sources


class _Recent:
    """Positions by source, the oldest first; those of some age are forgotten."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._entries: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, source: str) -> int | None:
        entry = self._entries.get(source)
        return None if entry is None else entry[0]

    def put(self, source: str, position: int, at: int) -> None:
        self._entries.pop(source, None)
        self._entries[source] = (position, at)

    def expired(self, at: int, now: int) -> bool:
        return at + self._kept <= now

    def expire(self, now: int) -> None:
        while self._entries:
            _, at = next(iter(self._entries.values()))
            if not self.expired(at, now):
                return
            self.drop_first()

    def drop_first(self) -> None:
        del self._entries[next(iter(self._entries))]


class _Written(msgspec.Struct):
    """A receipt as JSON; ``rejected``: code, explanation and places."""

    accepted: int
    duplicates: int
    late: int
    rejected: list[tuple[Reason, str, list[int]]]
    #: Of the batch's samples.
    digest: str

    @classmethod
    def of(cls, receipt: Receipt, digest: str) -> _Written:
        places: dict[tuple[Reason, str], list[int]] = {}
        for one in receipt.rejected:
            places.setdefault((one.code, one.detail), []).append(one.index)
        rejected = [(*kind, indexes) for kind, indexes in places.items()]
        return cls(receipt.accepted, receipt.duplicates, receipt.late, rejected, digest)

    def receipt(self) -> Receipt:
        told = [Rejection(i, code, why) for code, why, places in self.rejected for i in places]
        told.sort(key=lambda rejection: rejection.index)
        return Receipt(self.accepted, self.duplicates, told, late=self.late)


def _row(batch: Batch, receipt: Receipt, now: int) -> dict[str, Any]:
    written = _Written.of(receipt, _digest(batch))
    return {
        "source": batch.source,
        "position": batch.position,
        "at": now,
        "receipt": msgspec.json.encode(written).decode(),
    }


def _no_effect(batch: Batch) -> Receipt:
    """The answer to a batch that was passed; to a key that is not the request's own."""
    if batch.source is not None and batch.source.startswith(KEY):
        told = [Rejection(i, Reason.KEY_REUSED, _REUSED) for i in range(len(batch))]
        return Receipt(0, 0, told)
    return Receipt(0, len(batch))


def _digest(batch: Batch) -> str:
    """The same for the same samples. Cost: a nanosecond a byte, a microsecond a metric."""
    digest = hashlib.blake2b(digest_size=12)
    digest.update(repr([(metric.name, metric.labels) for metric in batch.metrics]).encode())
    for column in (batch.samples.metric, batch.samples.timestamp, batch.samples.value):
        digest.update(column.tobytes())
    return digest.hexdigest()
