"""What is done with samples that do not come one after the other, at about their own time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tocsin.config import Config
from tocsin.samples import SECOND_NS

__all__ = ["Policy"]

_DAY_NS: Final = 86_400 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Policy:
    """Times in nanoseconds."""

    #: How long a sample is held for older ones; 0: not at all.
    window: int = 0
    #: Keep samples that come too late to be scored.
    store_late: bool = False
    #: How far ahead of the clock a sample may be, and how far behind (None: any time).
    ahead: int = 600 * SECOND_NS
    behind: int | None = None
    #: How many samples may be held; beyond that the first to arrive wait no longer.
    most_held: int = 1_000_000

    @classmethod
    def of(cls, config: Config) -> Policy:
        """As the configuration says."""
        days = config.max_past_days
        return cls(
            window=int(config.reorder_s * SECOND_NS),
            store_late=config.late == "store",
            ahead=int(config.max_future_s * SECOND_NS),
            behind=None if days is None else int(days * _DAY_NS),
            most_held=config.queue_samples,
        )

    def newest(self, now: int) -> int:
        """The last time that a sample may have."""
        return now + self.ahead

    def oldest(self, now: int) -> int | None:
        """The first time that a sample may have; None: any."""
        return None if self.behind is None else now - self.behind
