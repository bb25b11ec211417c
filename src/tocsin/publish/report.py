"""The report: one self-contained HTML page that shows scanned series with their events.

The page opens offline: plotly's chart library (from its Python package), Tocsin's own scripts and
all data are inside, and its Content-Security-Policy allows nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import MissingExtraError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tocsin.detect.events import Event

__all__ = ["ReportSeries", "write_report"]

Floats = NDArray[np.float64]

#: The page's scripts in the order in which they need each other, plotly before them.
_SCRIPTS: Final = (
    "words", "palette", "thin", "traces", "chart", "spark", "events", "decode", "report",
)  # fmt: skip

_SCORE_STEPS: Final = 65_534
_UNKNOWN_SCORE: Final = 65_535
_OUTLINE_STEPS: Final = 100
_MS: Final = 1_000_000


@dataclass(slots=True)
class ReportSeries:
    """One series of the report; all columns have the same length."""

    #: Its name as shown; any text.
    metric: str
    #: Nanoseconds since 1970 (UTC), rising.
    timestamps: NDArray[np.int64]
    values: Floats
    #: Rows of `tocsin.detect.result.RESULT`.
    scored: NDArray[np.void]
    events: list[Event]
    #: What the reader should know, for example "3 duplicate samples were dropped".
    notes: list[str] = field(default_factory=list)


def write_report(path: Path, title: str, series: Sequence[ReportSeries]) -> None:
    """Write the page to ``path``, most anomalous series first; an old file is replaced at once.

    Errors: `MissingExtraError` without plotly; `OutputError` when the file cannot be written
    (nothing is left under its name then). Cost: O(samples); about 10 bytes of file a sample, and
    5 MB for the chart library.
    """
    parts = _page(title, sorted(series, key=_rank))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as out:
            out.writelines(parts)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"the report {path} cannot be written: {error.strerror or error}"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _rank(one: ReportSeries) -> tuple[float, int, float, str]:
    """Orders series: the most improbable event first, then how many, then the highest score."""
    worst = max((event.anomaly_score for event in one.events), default=-1.0)
    return -worst, -len(one.events), -(_highest(one) or 0.0), one.metric


def _highest(one: ReportSeries) -> float | None:
    scores = one.scored["anomaly_score"]
    known = scores[np.isfinite(scores)]
    return float(known.max()) if len(known) else None


# --- the page -------------------------------------------------------------------------------------


def _page(title: str, series: Sequence[ReportSeries]) -> Iterator[str]:
    """The page in pieces, so that it is never whole in memory."""
    texts = [_plotly(), *(_template(f"{name}.js") for name in _SCRIPTS)]
    scripts = [_inline(text) for text in texts]
    filled = {
        "policy": [_policy(scripts)],
        "title": [html.escape(title)],
        "icon": ["data:image/svg+xml;base64," + _base64(_template("icon.svg").encode())],
        "style": [_template("base.css"), _template("report.css")],
        "index": [_json({"series": [_about(one) for one in series]})],
        "data": (
            f'<script type="text/plain" id="data-{i}">{_packed(one)}</script>\n'
            for i, one in enumerate(series)
        ),
        "scripts": (f"<script>{text}</script>\n" for text in scripts),
    }
    return _fill(_template("report.html"), filled)


def _fill(template: str, filled: dict[str, Any]) -> Iterator[str]:
    """The template with each ``{{name}}`` replaced; what is put in is never looked at again."""
    for at, piece in enumerate(re.split(r"\{\{(\w+)\}\}", template)):
        if at % 2:
            yield from filled[piece]
        else:
            yield piece


def _template(name: str) -> str:
    return files("tocsin").joinpath("publish", "report_page", name).read_text("utf-8")


def _plotly() -> str:
    """The chart library's script. Errors: `MissingExtraError`."""
    found = find_spec("plotly")
    for folder in (found and found.submodule_search_locations) or ():
        script = Path(folder, "package_data", "plotly.min.js")
        if script.is_file():
            return script.read_text("utf-8")
    raise MissingExtraError("the report", "report")


def _inline(script: str) -> str:
    """A script as it may stand inside a page: nothing in it ends the element early."""
    # why newlines: a browser reads \r\n as \n, and the policy's hash is of what it has read.
    script = script.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(r"<(?=/script|!--)", r"\\x3c", script, flags=re.IGNORECASE)


def _policy(scripts: Iterable[str]) -> str:
    """Allow these very scripts, plotly's styles and pictures made in the page, nothing else."""
    hashes = (f"'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'" for text in scripts)
    return (
        f"default-src 'none'; script-src {' '.join(hashes)}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _json(value: object) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


# --- what the page knows of each series -----------------------------------------------------------


def _about(one: ReportSeries) -> dict[str, Any]:
    times = one.timestamps
    return {
        "metric": one.metric,
        "samples": len(times),
        "first": int(times[0]) / _MS if len(times) else None,
        "last": int(times[-1]) / _MS if len(times) else None,
        "start": int(times[0]) / _MS if len(times) else 0,
        "step": _step(times),
        "highest": _highest(one),
        "events": [_event(event) for event in one.events],
        "notes": one.notes,
        "outline": _outline(one),
        "columns": [(name, column.dtype.str[1:]) for name, column in _columns(one).items()],
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "start": event.start / _MS,
        "peak": event.peak / _MS,
        "end": event.end / _MS,
        "value": _number(event.value),
        "expected": _number(event.expected),
        "lower": _number(event.lower),
        "upper": _number(event.upper),
        "anomaly_score": _number(event.anomaly_score),
        "samples": event.samples,
        "open": event.open,
        "pattern": event.pattern,
        "why": event.why,
        "muted": event.muted,
        "because": event.because,
    }


def _number(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def _outline(one: ReportSeries) -> dict[str, list[int]]:
    """The series in a hundred steps of time: lowest and highest value of each, as 0 to 100."""
    sound = np.isfinite(one.values)
    times, values = one.timestamps[sound], one.values[sound]
    if not len(times):
        return {"at": [], "low": [], "high": []}
    since = times.astype(np.float64) - float(one.timestamps[0])
    whole = max(float(one.timestamps[-1]) - float(one.timestamps[0]), 1.0)
    steps = (since / whole * _OUTLINE_STEPS).astype(np.int64)
    starts = np.flatnonzero(np.diff(steps, prepend=-1))
    height = _heights(values)
    return {
        "at": steps[starts].tolist(),
        "low": np.minimum.reduceat(height, starts).tolist(),
        "high": np.maximum.reduceat(height, starts).tolist(),
    }


def _heights(values: Floats) -> NDArray[np.int64]:
    """Values as 0 (lowest) to 100 (highest); 50 if all are equal."""
    # why halves: from -1e308 to 1e308 is further than a float can say.
    half, low, high = values / 2, values.min() / 2, values.max() / 2
    if not high > low:
        return np.full(len(values), 50, dtype=np.int64)
    height: NDArray[np.int64] = np.rint((half - low) / (high - low) * 100).astype(np.int64)
    return height


# --- columns --------------------------------------------------------------------------------------


def _packed(one: ReportSeries) -> str:
    """All columns of a series, one after the other, deflated, as base64."""
    packer = zlib.compressobj(6)
    packed = [packer.compress(_shuffled(column)) for column in _columns(one).values()]
    return _base64(b"".join([*packed, packer.flush()]))


def _shuffled(column: NDArray[Any]) -> bytes:
    """The column's first bytes, then its second bytes, …: like stands by like and packs better."""
    return column.view(np.uint8).reshape(len(column), column.itemsize).T.tobytes()


def _columns(one: ReportSeries) -> dict[str, NDArray[Any]]:
    scored = one.scored
    return {
        "delta": _deltas(one.timestamps),
        "value": _small(one.values),
        "expected": _small(scored["expected"]),
        "lower": _small(scored["lower"]),
        "upper": _small(scored["upper"]),
        "score": _score(scored["anomaly_score"]),
        "alert": _score(scored["alert_score"]),
    }


def _intervals(times: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Time since the sample before (ns), 0 for the first."""
    # why unsigned: from 1700 to 2261 is more than 2**63 ns.
    moments = times.view(np.uint64)
    since: NDArray[np.uint64] = np.concatenate([moments[:1], moments[:-1]])
    return np.subtract(moments, since)


def _step(times: NDArray[np.int64]) -> int:
    """The longest time (ns) of which every interval is a multiple."""
    return int(np.gcd.reduce(_intervals(times), initial=0)) or 1


def _deltas(times: NDArray[np.int64]) -> NDArray[Any]:
    """Intervals in steps, 0 for the first sample, in the smallest type that holds them."""
    steps = _intervals(times) // np.uint64(_step(times))
    largest = int(steps.max()) if len(steps) else 0
    for kind in ("<u1", "<u2", "<u4"):
        if largest <= np.iinfo(kind).max:
            return steps.astype(kind)
    return steps.astype("<f8")


def _small(column: Floats) -> NDArray[Any]:
    """The column in single precision where no eye can tell it from double."""
    with np.errstate(over="ignore"):
        single = column.astype("<f4")
    finite = np.isfinite(column)
    if not finite.any():
        return single
    error = np.abs(column[finite] - single[finite])
    span = column[finite].max() / 2 - column[finite].min() / 2
    return single if np.all(error <= span * 1e-6) else column.astype("<f8")


def _score(column: Floats) -> NDArray[np.uint16]:
    """Scores of 0 to 1 in 65,534 steps; 65,535 for "not known yet"."""
    known = np.isfinite(column)
    steps = np.rint(np.clip(np.where(known, column, 0.0), 0.0, 1.0) * _SCORE_STEPS)
    return np.where(known, steps, _UNKNOWN_SCORE).astype("<u2")
