"""One campaign: a service under load, a fault, and the verdict."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.judge import Findings, counts, judge, judge_outbox, waiting
from tests.faults.stores import Store, wait_until
from tests.faults.supervised import Supervised
from tests.faults.workload import Load, Series, make_series
from tocsin.ingest import http_json

__all__ = ["Campaign", "Report"]

#: Short rounds of snapshots, of all that has learnt a little, so that faults also meet them; and
#: little patience.
QUICK = {
    "TOCSIN_SNAPSHOT_S": "0.05",
    "TOCSIN_RESTART_S": "0.01",
    "TOCSIN_ANSWER_S": "1",
    "TOCSIN_BUSY_S": "0.5",
}


@dataclass
class Report:
    """The line that sums a campaign up."""

    name: str
    store: str
    seconds: float = 0.0
    numbers: dict[str, int | str] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(
            f"{key} {number:,}" if isinstance(number, int) else f"{key} {number}"
            for key, number in self.numbers.items()
        )
        return f"{self.name} [{self.store}]: {told}; {self.seconds:.0f} s"


class Campaign:
    """A service on a store, series to send it, and senders that never give up."""

    def __init__(
        self,
        name: str,
        folder: Path,
        store: Store,
        *,
        series: Sequence[Series] | None = None,
        seed: int = 1,
        address: Callable[[Supervised], str] = lambda service: service.url,
        database: str | None = None,
        before: str = "",
        config: str = "",
        load: Mapping[str, float] | None = None,
        **variables: str,
    ) -> None:
        self.report = Report(name, store.name)
        self.store = store
        self.series = series or make_series(24, 15_000, seed)
        self.random = random.Random(seed)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tocsin.toml").write_text(config)
        self.service = Supervised(
            folder,
            database or store.url,
            *("--config", "tocsin.toml"),
            before=before,
            **(QUICK | variables),
        )
        self._began = time.monotonic()
        self._load_options = load or {}
        self._address = address
        self.kills = 0
        self.load: Load | None = None

    def __enter__(self) -> Campaign:
        return self

    def __exit__(self, *_: object) -> None:
        if self.load is not None:
            self.load.__exit__()
        self.service.end()

    def begin(self) -> None:
        """Start the service and the senders."""
        # Also compiles the kernels for everybody: a life that is killed would do so in vain.
        for one in self.series:
            one.scored(1)
        http_json.Decoder(1).decode(b'{"samples":[]}', 1)
        self.service.begin()
        options = {"pace_s": 0.02, **self._load_options}
        self.load = Load(self._address(self.service), self.series, **options)  # type: ignore[arg-type]
        self.load.__enter__()

    def run_on(self, seconds: float) -> None:
        """Let it go on for a while; senders must stay well meanwhile."""
        time.sleep(seconds)
        assert self.load is not None
        for sender in self.load.senders:
            assert sender.failure is None, f"{sender.name}: {sender.failure!r}"

    def kill(self) -> None:
        self.service.kill()
        self.kills += 1

    def check_acknowledged(self) -> None:
        """Whatever was acknowledged by now is stored. While it runs, so that the database is as
        the service found it."""
        assert self.load is not None
        acknowledged = self.load.acknowledged()
        stored = counts(self.store.url, [one.metric for one in self.series])
        for one, sent, there in zip(self.series, acknowledged, stored, strict=True):
            assert there >= sent, f"{one.metric}: {sent} acknowledged, {there} stored"

    def progress(self, seconds: float = 120.0) -> None:
        """Wait until more is acknowledged than now."""
        assert self.load is not None
        load, before = self.load, sum(self.load.acknowledged())
        wait_until("more acknowledged", seconds, lambda: sum(load.acknowledged()) > before)

    def verdict(self, *, whole_outbox: bool = True) -> Findings:
        """Finish what was begun, compare everything, stop cleanly; fails on any mismatch."""
        assert self.load is not None
        acknowledged = self.load.finish()
        wait_until("everything is scored", 300, lambda: waiting(self.store.url) == 0)
        findings = judge(self.store.url, self.series, acknowledged)
        if whole_outbox:
            judge_outbox(self.store.url, findings)
        code = self.service.stop()
        self.tell(findings)
        assert code == 0, self.service.tail()
        tally = self.load.tally
        assert not tally.complaints, tally.complaints[:5]
        assert findings, "\n".join(findings.mismatches[:20])
        return findings

    def tell(self, findings: Findings) -> None:
        """Put what was found into the line that sums up."""
        assert self.load is not None
        tally = self.load.tally
        self.report.seconds = time.monotonic() - self._began
        self.report.numbers |= {
            "kills": self.kills,
            "requests": tally.requests,
            "repeated": tally.repeated,
            "samples": findings.samples,
            "events": findings.events,
            "mismatches": len(findings.mismatches) + len(tally.complaints),
        }
