"""Logs: one line each on stderr, no secrets."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

from tocsin.plain import plain

__all__ = ["set_up_logs"]


def set_up_logs(level: str) -> None:
    """Send log lines of this level and above to stderr."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _plainly,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _plainly(_logger: WrappedLogger, _method: str, told: EventDict) -> EventDict:
    """Names of strangers do nothing to the terminal that shows them."""
    return {key: plain(text) if isinstance(text, str) else text for key, text in told.items()}
