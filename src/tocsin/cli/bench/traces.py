"""``tocsin bench traces``: HTM Engine's likelihood, replayed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tocsin.cli.bench.output import print_table

if TYPE_CHECKING:
    from tocsin.bench.traces import Replay

__all__ = ["traces"]


def traces(*, data: Path) -> int:
    """Replay what HTM Engine's own likelihood returned; exit code 1 if a score differs.

    The ``gaussian`` likelihood under HTM Engine's streaming policy must give the same scores
    (within 1e-9) however the rows are cut into batches, and reads no database row to do so.

    Parameters
    ----------
    data
        A folder of traces: for each series <series>.json (configuration and batch sizes) and
        <series>.csv.gz (rowid, timestamp, value, raw_anomaly_score, anomaly_score_<plan>).
    """
    from tocsin.bench.traces import load_traces, replay_all

    errors = Console(stderr=True)
    with errors.status("reading the traces") as status:
        found = load_traces(data)
        replays = list(replay_all(found, lambda name: status.update(f"replaying {name}")))
    print_table(_traces_table(replays))
    wrong = [replay for replay in replays if not replay.exact]
    for replay in wrong:
        errors.print(f"{replay.trace}, {replay.plan}: differs by {replay.difference:.3g}")
    return 1 if wrong else 0


def _traces_table(replays: list[Replay]) -> Table:
    table = Table(
        title="HTM Engine's likelihood, replayed",
        caption="difference: the largest of an anomaly score from the original's; then database\n"
        "rows read per scored row: by HTM Engine as recorded, by its way here, by ours",
    )
    table.add_column("trace", overflow="fold")
    table.add_column("plan", no_wrap=True)
    for head in ("rows", "difference", "recorded", "its way", "ours"):
        table.add_column(head, justify="right", no_wrap=True)
    before = ""
    for replay in replays:
        reads = (replay.original, replay.same_way, replay.ours)
        table.add_row(
            "" if replay.trace == before else replay.trace,
            replay.plan,
            str(replay.rows),
            f"{replay.difference:.1e}",
            *("" if read is None else f"{read.tail_rows / replay.rows:.2f}" for read in reads),
        )
        before = replay.trace
    return table
