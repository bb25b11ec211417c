"""``tocsin bench htm``: what the HTM model costs by its age."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from tocsin.cli.bench.output import print_table, write_json
from tocsin.errors import ConfigurationError

if TYPE_CHECKING:
    from tocsin.bench.htm import Age

__all__ = ["htm"]


def htm(
    *,
    samples: int = 20_000,
    preset: tuple[str, ...] = (),
    soak: bool = False,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
) -> int:
    """Measure what the HTM model costs as it grows older: time per sample, bytes of state.

    Parameters
    ----------
    samples
        Samples of the stream; 1000000 shows the whole curve and takes minutes.
    preset
        A preset to measure, may be repeated; all if not said.
    soak
        Exit with code 1 if it became slower or larger after 80,000 samples.
    json_file
        Also write the figures to this file.
    """
    from tocsin.bench.htm import faults, run_ages
    from tocsin.detect.models.htm.parameters import PRESETS, Htm

    for name in preset:
        Htm.of(name)
    if not 1000 <= samples <= 100_000_000:
        raise ConfigurationError(f"--samples {samples}: must be from 1000 to 100000000")
    with Console(stderr=True).status("compiling") as status:
        ages = list(run_ages(samples, preset or tuple(PRESETS), status.update))
    print_table(_ages_table(ages))
    if json_file:
        write_json(json_file, [age.as_dict() for age in ages])
    found = faults(ages) if soak else []
    for fault in found:
        Console(stderr=True).print(fault)
    return 1 if found else 0


def _ages_table(ages: list[Age]) -> Table:
    from tocsin.bench.htm import NUPIC

    table = Table(
        title="The HTM model by its age, one core",
        caption="µs per sample: processor time of the 1,000 before that age; state: in memory,\n"
        "fixed; saved: compressed; NuPIC µs: as its users reported it, on their machines",
    )
    table.add_column("preset", no_wrap=True)
    for head in ("samples", "µs", "state", "saved", "segments", "synapses", "NuPIC µs"):
        table.add_column(head, justify="right", no_wrap=True)
    before = ""
    for age in ages:
        theirs = NUPIC.get(age.samples)
        table.add_row(
            "" if age.preset == before else age.preset,
            f"{age.samples:,}",
            f"{age.us_per_sample:.1f}",
            f"{age.state_bytes:,}",
            f"{age.saved_bytes:,}",
            f"{age.segments:,}",
            f"{age.synapses:,}",
            "" if theirs is None or age.preset != "default" else f"{theirs:,.0f}",
        )
        before = age.preset
    return table
