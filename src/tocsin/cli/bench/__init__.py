"""``tocsin bench …``: benchmarks that anyone can run; one file a benchmark."""

from __future__ import annotations

from typing import Final

from cyclopts import App

__all__ = ["app"]

#: Name: what it does. Each is imported when it is called.
_BENCHMARKS: Final = {
    "nab": "Score with the Numenta Anomaly Benchmark's official rules.",
    "labelled": "Judge ranking, events and false alarms on series with labelled anomalies.",
    "injected": "Judge on anomalies of known kind and size, put into quiet backgrounds.",
    "compare": "Run public peers and trivial baselines through the very same code as ours.",
    "explained": "Show events of labelled series, right and wrong, with what is said of them.",
    "ablation": "Measure the default model without each of its parts.",
    "sensitivity": "Halve and double every number of the default model.",
    "traces": "Replay what HTM Engine's own likelihood returned.",
    "calibration": "Print stated against observed false-alarm rates on quiet streams.",
    "htm": "Measure what the HTM model costs as it grows older.",
    "speed": "Measure what a sample costs, from one metric to a million.",
    "engine": "Measure the service from end to end.",
    "serve": "Measure the service under the load of very many metrics.",
    "decoders": "Measure every protocol's decoder beside a reference decoder.",
    "outage": "Replay outages of many metrics: samples, events, incidents, messages.",
    "page": "Look at the page of a service with a million metrics in a real browser.",
    "swapping": "Measure many HTM models within a memory budget.",
}

app = App(name="bench", help="Measure detection quality and speed on this machine.")
for _name, _help in _BENCHMARKS.items():
    app.command(f"tocsin.cli.bench.{_name}:{_name}", name=_name, help=_help)
