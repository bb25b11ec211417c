"""``tocsin bench outage``: from samples to messages, while much goes wrong at once."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from tocsin.cli.bench.output import print_table, saying, write_json
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tocsin.bench.outage.judge import Covered, Judgement

__all__ = ["outage"]


def outage(
    *,
    nab: Path | None = None,
    data: Path | None = None,
    metrics: int = 192,
    days: float = 14.0,
    judged: float = 5.0,
    seed: int = 0,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> None:
    """Replay outages of hosts and services: anomalous samples, events, incidents, messages.

    Real and made series become metrics of hosts on one time axis; outages and anomalies of single
    metrics are put in; everything goes through the real engine, the real keeping of incidents and
    a real channel.

    Parameters
    ----------
    nab
        A NAB folder: its series are metrics of the fleet.
    data
        A folder of labelled data sets: so are its series.
    metrics
        How many metrics there are; the rest is made.
    days
        How many days there are, and ...
    judged
        ... in how many of them, at the end, things go wrong.
    seed
        Another one is another fleet with other outages.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.outage.causes import disturbed, plan
    from tocsin.bench.outage.fleet import KINDS, fleet
    from tocsin.bench.outage.judge import judge
    from tocsin.bench.outage.replay import replay

    if metrics < 2 * len(KINDS) or not 1 <= judged < days:
        raise ConfigurationError(
            f"--metrics must be at least {2 * len(KINDS)}, and --judged from 1 to less than --days"
        )
    with saying("reading series") as say:
        quiet = fleet(metrics, days, judged, nab=nab, data=data, seed=seed)
        causes = plan(quiet, judged, seed)
        tracks = disturbed(quiet, causes, seed)
        with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
            recorded = replay(tracks, judged, Path(name), say)
    found = judge(tracks, causes, recorded)
    print_table(_flow_table(found, recorded.seconds))
    print_table(_scopes_table(found))
    print_table(_causes_table(found))
    if json_file:
        write_json(json_file, [found.as_dict()])


def _flow_table(found: Judgement, seconds: float) -> Table:
    table = Table(
        title="From samples to messages",
        caption=f"replayed in {seconds:.0f} s; events of no injected cause: {found.own_events}, "
        f"and {found.labelled_events}\nthat the series' own labels know; incidents of nothing "
        f"injected or labelled: {found.own_incidents}",
    )
    table.add_column("of")
    table.add_column("there are", justify="right")
    table.add_column("", justify="left")
    samples, events, messages = found.ratios
    told = ", ".join(f"{count} {change}" for change, count in sorted(found.messages.items()))
    table.add_row("metrics", f"{found.metrics:,}", "")
    table.add_row("samples", f"{found.samples:,}", "")
    table.add_row("anomalous samples", f"{found.anomalous:,}", "")
    table.add_row("events", f"{found.events:,}", f"{samples:.1f} anomalous samples each")
    table.add_row("incidents", f"{found.incidents:,}", f"{events:.1f} events each")
    count = sum(found.messages.values())
    table.add_row("messages", f"{count:,}", f"{messages:.1f} an incident: {told}")
    return table


def _scopes_table(found: Judgement) -> Table:
    table = Table(
        title="What was injected, and the incidents that tell of it",
        caption="told: somebody was; in one: share of the metrics seen that are in the incident "
        "with most of them;\npure: share of that incident's metrics that are of this cause; "
        f"incidents of two causes at once: {found.glued}",
    )
    table.add_column("what")
    for head in ("injected", "told", "metrics hit", "seen", "in one", "pure", "told after (min)"):
        table.add_column(head, justify="right")
    for scope in dict.fromkeys(one.scope for one in found.covered):
        _add_scope(table, scope, [one for one in found.covered if one.scope == scope])
    table.add_section()
    _add_scope(table, "common causes", found.of(common=True))
    _add_scope(table, "single metrics", found.of(common=False))
    return table


def _add_scope(table: Table, scope: str, some: Sequence[Covered]) -> None:
    import numpy as np

    if not some:
        return
    seen = sum(one.seen for one in some)
    told = [one.told_after for one in some if one.told_after is not None]
    pure = [one.purity for one in some if one.seen]
    table.add_row(
        scope,
        str(len(some)),
        str(len(told)),
        str(sum(one.hit for one in some)),
        str(seen),
        f"{sum(one.together for one in some) / seen:.0%}" if seen else "",
        f"{sum(pure) / len(pure):.0%}" if pure else "",
        f"{np.median(told):.0f}, {max(told):.0f} at most" if told else "",
    )


def _causes_table(found: Judgement) -> Table:
    table = Table(title="One by one")
    for head in ("what", "where", "hit", "seen", "incidents", "in one", "pure", "after"):
        right = head not in ("what", "where")
        table.add_column(head, justify="right" if right else "left", no_wrap=not right)
    for one in found.covered:
        table.add_row(
            one.scope,
            one.where.partition("{")[0] if one.hit == 1 else one.where,
            str(one.hit),
            str(one.seen),
            str(one.incidents),
            str(one.together),
            f"{one.purity:.0%}" if one.seen else "",
            "never" if one.told_after is None else f"{one.told_after:.0f} min",
        )
    return table
