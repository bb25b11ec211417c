"""``tocsin grafana …``: dashboards for Grafana."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App
from rich.console import Console

from tocsin.errors import OutputError

__all__ = ["app"]

app = App(name="grafana", help="Dashboards for Grafana.")


@app.command
def export(folder: Path) -> None:
    """Write the dashboards, and the files by which Grafana finds them.

    Files of the same names are written over.

    Parameters
    ----------
    folder
        Where to write; made when missing.
    """
    from tocsin.grafana.dashboards import files

    console = Console()
    for name, content in files().items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
        console.print(str(path), soft_wrap=True, highlight=False, markup=False)
