"""One service, filled and looked at."""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import urlopen

from tocsin.bench.page.browser import Frames, chromium, first_paint, live_delay, pan
from tocsin.bench.page.filling import LONG, Feed, fill
from tocsin.bench.service import running
from tocsin.bench.stores import new_database
from tocsin.errors import StartError
from tocsin.samples import SECOND_NS, iso
from tocsin.web import build

__all__ = ["MUST", "Figures", "Plan", "bundle_bytes", "measure"]

#: Seconds, frames per second, seconds, bytes.
MUST: Final = {"first paint": 1.0, "frames": 30.0, "live": 2.0, "bundle": 250_000}

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    metrics: int = 1_000_000
    #: Samples of one metric, whose chart is moved.
    samples: int = 1_000_000
    loads: int = 5
    pan_s: float = 5.0
    updates: int = 10


@dataclass(slots=True)
class Figures:
    """What was measured."""

    metrics: int
    samples: int
    #: Seconds until something is painted, and until the first view is whole, of each load.
    paint: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    #: Bytes of code that the first view loads, compressed; and of all there is.
    loaded: int = 0
    bundle: int = 0
    panned: dict[str, Frames] = field(default_factory=dict)
    #: Seconds until a sample is seen.
    live: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def bundle_bytes() -> int:
    """All scripts and styles of the page, compressed. Errors: `StartError`."""
    files = [path for path in build.OUT.rglob("*") if path.suffix in (".js", ".css")]
    if not files:
        raise StartError("the page is not built: python -m tocsin.web.build")
    return sum(len(gzip.compress(path.read_bytes(), mtime=0)) for path in files)


def measure(plan: Plan, tell: Tell) -> Figures:
    """Fill a service and look at its page. Errors: `StartError` says what is missing."""
    figures = Figures(plan.metrics, plan.samples, bundle=bundle_bytes())
    settings = {"TOCSIN_MAX_METRICS": str(plan.metrics + 10), "TOCSIN_MAX_BODY_SAMPLES": "100000"}
    with (
        chromium() as browser,
        tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name,
        new_database(None, Path(name)) as url,
        running(Path(name), url, **settings) as service,
    ):
        feed = Feed(service.url)
        try:
            fill(service.url, plan.metrics - 1, tell)
            feed.past(plan.samples, tell)
            for number in range(plan.loads):
                tell(f"the first view, {number + 1} of {plan.loads}")
                paint, whole, figures.loaded = first_paint(browser, service.url)
                figures.paint.append(paint)
                figures.whole.append(whole)
            uid = _uid(service.url)
            tell("the chart is moved")
            figures.panned = pan(browser, _half(service.url, uid, plan.samples), plan.pan_s)
            tell("samples come live")
            address = f"{service.url}/metrics/{uid}"
            figures.live = live_delay(browser, address, feed.next, plan.updates)
        finally:
            feed.close()
    return figures


def _uid(url: str) -> str:
    query = urlencode({"match": f"{LONG.name}*", "limit": 1})
    with urlopen(f"{url}/api/v1/metrics?{query}", timeout=60) as answer:
        uid: str = json.loads(answer.read())["metrics"][0]["uid"]
    return uid


def _half(url: str, uid: str, samples: int) -> str:
    """The address of the middle half of the long metric's past."""
    now = int(time.time())
    ends = (now - 3 * samples // 4, now - samples // 4)
    stretch = {key: iso(at * SECOND_NS) for key, at in zip(("from", "to"), ends, strict=True)}
    return f"{url}/metrics/{uid}?{urlencode(stretch)}"
