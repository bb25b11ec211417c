"""``tocsin load --follow``: files that grow, until Ctrl-C."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tocsin.errors import ConfigurationError, MissingExtraError
from tocsin.ingest.files import ReadOptions
from tocsin.ingest.loading import Naming, Sink

if TYPE_CHECKING:
    from tocsin.config import Follow
    from tocsin.engine.batch import Receipt, Rejection

__all__ = ["as_followed", "follow_files"]


def as_followed(path: Path, options: ReadOptions, naming: Naming) -> Follow:
    """One file as ``[[follow]]`` would name it. Errors: `ConfigurationError`."""
    try:
        from tocsin.config import Follow
    except ModuleNotFoundError as error:
        raise MissingExtraError("--follow", "server") from error
    if options.time_format or options.header is False:
        raise ConfigurationError(
            "--follow reads epoch seconds and ISO 8601, and names of columns from the first line: "
            "leave out --time-format and --no-header"
        )
    return Follow(
        path=str(path),
        metric=naming.template,
        labels=dict(naming.labels),
        time_column=options.time_column,
        value_columns=list(options.value_columns),
        metric_column=options.metric_column,
        label_columns=list(options.label_columns),
        delimiter=options.delimiter or ",",
        timezone=options.timezone,
    )


def follow_files(files: Sequence[Follow], sink: Sink, errors: Console) -> int:
    """Follow them until Ctrl-C, then say what came of it; returns the exit code."""
    from tocsin.ingest.follow.following import Follower

    stop, told, lock = threading.Event(), Counter[str](), threading.Lock()

    def refused(rejected: Sequence[Rejection]) -> None:
        with lock:
            told.update(f"refused ({one.code})" for one in rejected)

    def stored(receipt: Receipt) -> None:
        with lock:
            told["stored"] += receipt.accepted
            told["already known"] += receipt.duplicates
            told["dropped by a rule of intake"] += receipt.filtered
        refused(receipt.rejected)

    threads = [
        threading.Thread(target=Follower(one, sink, refused, stop, stored).run, daemon=True)
        for one in files
    ]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            threads[0].join(0.2)
    except KeyboardInterrupt:
        pass
    stop.set()
    for thread in threads:
        thread.join()
    counts = ", ".join(f"{count:,} {what}" for what, count in told.items() if count)
    errors.print(f"followed {len(files)} files: {counts or 'nothing came'}", markup=False)
    return 0
