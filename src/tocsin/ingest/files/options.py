"""What a reader guesses about a file and can be told instead."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ReadOptions"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Everything that is guessed and can be overridden; None or empty means: guess.

    ``time_format`` is a strptime pattern, ``s``, ``ms``, ``us`` or ``ns`` (since 1970), or
    ``iso``; ``timezone`` is the civil zone of times that come without one.
    """

    time_column: str | None = None
    value_columns: tuple[str, ...] = ()
    metric_column: str | None = None
    label_columns: tuple[str, ...] = ()
    time_format: str | None = None
    timezone: str = "UTC"
    #: Separator of a CSV file's cells.
    delimiter: str | None = None
    #: Whether a CSV file's first row names its columns.
    header: bool | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """Every column that these options name."""
        single = (self.time_column, self.metric_column)
        return (*(name for name in single if name), *self.value_columns, *self.label_columns)
