"""Samples that can be made again, and senders that repeat each request until it is acknowledged."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from tocsin.detect.events import Event, EventFold
from tocsin.detect.fleet import Fleet
from tocsin.detect.settings import Settings
from tocsin.engine.batch import Batch
from tocsin.ingest.remote import body_of
from tocsin.samples import SECOND_NS, Metric, Samples

START = 1_700_000_000 * SECOND_NS
_SPIKE_EVERY = 1_300


@dataclass
class Series:
    """One metric's samples, and what an undisturbed run makes of them."""

    metric: Metric
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    settings: Settings = field(default_factory=Settings)
    _scored: NDArray[np.void] | None = None

    def scored(self, count: int) -> NDArray[np.void]:
        """The first ``count`` samples, scored: later ones change nothing of theirs."""
        if self._scored is None or len(self._scored) < count:
            self._scored = undisturbed(self.times[:count], self.values[:count], self.settings)
        return self._scored[:count]

    def events(self, count: int) -> list[Event]:
        """The events after the first ``count`` samples."""
        return events_of(self.times[:count], self.values[:count], self.scored(count))


def undisturbed(
    times: NDArray[np.int64], values: NDArray[np.float64], settings: Settings | None = None
) -> NDArray[np.void]:
    return Fleet(settings, 1).update(np.zeros(len(values), dtype=np.int64), times, values)


def events_of(
    times: NDArray[np.int64], values: NDArray[np.float64], scored: NDArray[np.void]
) -> list[Event]:
    found: dict[int, Event] = {}
    for event in EventFold().feed(times, values, scored):
        found[event.start] = event
    return list(found.values())


def make_series(
    count: int, samples: int, seed: int = 1, prefix: str = "w", settings: Settings | None = None
) -> list[Series]:
    """Metrics with daily waves, noise and spikes, at several paces and with irregular times."""
    rng = np.random.default_rng(seed)
    chosen = settings or Settings()
    return [
        _series(f"{prefix}.{number:03d}", number, samples, rng, chosen) for number in range(count)
    ]


def _series(
    name: str, number: int, samples: int, rng: np.random.Generator, settings: Settings
) -> Series:
    step = int(rng.choice([1, 10, 60, 300]))
    jitter = rng.integers(0, 1 + step * 400, samples) * 1_000_000  # ms, below half a step
    times = START + np.arange(samples, dtype=np.int64) * step * SECOND_NS + jitter
    wave = 20 * np.sin(np.arange(samples) * 2 * np.pi / 288)
    values = (100 + wave + rng.normal(0, 2 + number % 3, samples)).round(3)
    values[700 + number % 100 :: _SPIKE_EVERY] += 400
    labels = {"host": f"h{number % 4}"} if number % 2 else {}
    return Series(Metric.of(name, labels), times, values, settings)


@dataclass
class Tally:
    """What senders saw, over all of them."""

    requests: int = 0
    acknowledged: int = 0
    repeated: int = 0
    duplicates: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, status: str) -> None:
        with self.lock:
            self.statuses[status] += 1


class Sender(threading.Thread):
    """Sends its own metrics' samples in order, in small requests, each until acknowledged."""

    def __init__(
        self,
        url: str,
        series: Sequence[Series],
        tally: Tally,
        *,
        number: int,
        pace_s: float,
        counted: bool,
        most: int = 40,
    ) -> None:
        super().__init__(name=f"sender-{number}", daemon=True)
        self._url = url
        self._series = series
        self._tally = tally
        self._random = random.Random(number)
        self._pace = pace_s
        self._counted = counted
        self._most = most
        self._position = 0
        self._source = f"sender {number}"
        self._enough = threading.Event()
        #: Acknowledged samples of each series.
        self.acknowledged = [0] * len(series)
        self.failure: BaseException | None = None

    def finish(self) -> None:
        """Send no new request; the present one is still repeated until acknowledged."""
        self._enough.set()

    def run(self) -> None:
        client = httpx.Client(base_url=self._url, timeout=60)
        try:
            while not self._enough.is_set() and self._left():
                self._one(client)
                time.sleep(self._pace * self._random.random() * 2)
        except BaseException as error:
            self.failure = error
            raise
        finally:
            client.close()

    def _left(self) -> list[int]:
        return [i for i, s in enumerate(self._series) if self.acknowledged[i] < len(s.values)]

    def _one(self, client: httpx.Client) -> None:
        left = self._left()
        chosen = self._random.sample(left, min(len(left), self._random.randint(1, 4)))
        parts = {i: self._part(i) for i in chosen}
        batch = self._batch(parts)
        answer = self._until_acknowledged(client, batch)
        with self._tally.lock:
            self._tally.requests += 1
            self._tally.acknowledged += sum(
                end - self.acknowledged[i] for i, (_, end) in parts.items()
            )
            self._tally.duplicates += int(answer["duplicates"])
            if answer["rejected"] or answer["accepted"] + answer["duplicates"] != len(batch):
                self._tally.complaints.append(f"{len(batch)} samples sent, answered {answer}")
        for i, (_, end) in parts.items():
            self.acknowledged[i] = end

    def _part(self, i: int) -> tuple[int, int]:
        """The next samples of a series; now and then with some before them once more."""
        start = self.acknowledged[i]
        end = min(start + self._random.randint(1, self._most), len(self._series[i].values))
        again = self._random.randint(1, 5) if self._random.random() < 0.1 else 0
        return max(0, start - again), end

    def _batch(self, parts: dict[int, tuple[int, int]]) -> Batch:
        chosen = [self._series[i] for i in parts]
        spans = list(parts.values())
        self._position += 1
        return Batch(
            [series.metric for series in chosen],
            Samples(
                np.repeat(np.arange(len(spans)), [end - start for start, end in spans]),
                np.concatenate([s.times[a:b] for s, (a, b) in zip(chosen, spans, strict=True)]),
                np.concatenate([s.values[a:b] for s, (a, b) in zip(chosen, spans, strict=True)]),
            ),
            "http",
            source=self._source if self._counted else None,
            position=self._position,
        )

    def _until_acknowledged(self, client: httpx.Client, batch: Batch) -> dict[str, Any]:
        body, headers = body_of(batch), {"content-type": "application/json"}
        if batch.source is not None:
            headers |= {"tocsin-source": batch.source, "tocsin-position": str(batch.position)}
        while True:
            try:
                answer = client.post("/api/v1/samples", content=body, headers=headers)
            except httpx.TransportError as error:
                self._tally.note(type(error).__name__)
            else:
                self._tally.note(str(answer.status_code))
                if answer.status_code == 200:
                    found: dict[str, Any] = answer.json()
                    return found
                assert answer.status_code in (429, 503), answer.text
            with self._tally.lock:
                self._tally.repeated += 1
            time.sleep(0.02 + 0.08 * self._random.random())


class Load:
    """Several senders, each with metrics of its own."""

    def __init__(
        self,
        url: str,
        series: Sequence[Series],
        *,
        senders: int = 4,
        pace_s: float = 0.02,
        most: int = 40,
    ) -> None:
        self.series = series
        self.tally = Tally()
        self._mine = [list(range(i, len(series), senders)) for i in range(senders)]
        self.senders = [
            Sender(
                url,
                [series[j] for j in mine],
                self.tally,
                number=i,
                pace_s=pace_s,
                counted=i % 2 == 1,
                most=most,
            )
            for i, mine in enumerate(self._mine)
        ]

    def __enter__(self) -> Load:
        for sender in self.senders:
            sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        for sender in self.senders:
            sender.finish()

    def acknowledged(self) -> list[int]:
        """Acknowledged samples of each series, in the order of ``series``."""
        counts = [0] * len(self.series)
        for mine, sender in zip(self._mine, self.senders, strict=True):
            for place, count in zip(mine, list(sender.acknowledged), strict=True):
                counts[place] = count
        return counts

    def finish(self, timeout: float = 120.0) -> list[int]:
        """End it with everything that was sent acknowledged."""
        for sender in self.senders:
            sender.finish()
        for sender in self.senders:
            sender.join(timeout)
            assert not sender.is_alive(), f"{sender.name} is never answered: {self.tally.statuses}"
            assert sender.failure is None, f"{sender.name}: {sender.failure!r}"
        return self.acknowledged()
