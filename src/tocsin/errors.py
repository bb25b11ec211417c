"""Every error that Tocsin raises on purpose, in one tree.

::

    TocsinError
    ├── BadInputError (ValueError)      what the caller gave cannot be used
    │   ├── BadSampleError              a sample that no model may learn from; names the row
    │   ├── TimestampError              a time that cannot be read without guessing
    │   ├── TooLargeError               more at once than is allowed
    │   └── FileFormatError             a file that cannot be read; names path and line
    ├── ConfigurationError (ValueError) a setting; names the key and what is allowed
    ├── StateError (ValueError)         saved state that is damaged, foreign or too new
    ├── MissingDataError                a benchmark's data is not where it was said to be
    ├── MissingExtraError (ImportError) an optional part is not installed; names the extra
    ├── ModelError                      somebody else's model raised, hung, died or is not there
    ├── MetricNotActiveError            a result for a metric that is not being scored
    ├── ActionRefusedError              not possible in the metric's status; says what to do first
    ├── UnknownMetricError              there is no such metric (any more)
    ├── StoreError                      the database refused or is gone
    │   └── OwnerLostError              another start has taken the database over
    ├── QueueFullError                  more arrives than can be stored: send again a little later
    ├── StartError                      the service cannot start; says what to change
    ├── ReceiverError                   a receiver of notifications did not take one
    │   └── MessageRefusedError         and says that it will not take it either the next time
    └── OutputError (OSError)           a result could not be written
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ActionRefusedError",
    "BadInputError",
    "BadSampleError",
    "ConfigurationError",
    "FileFormatError",
    "MessageRefusedError",
    "MetricNotActiveError",
    "MissingDataError",
    "MissingExtraError",
    "ModelError",
    "OutputError",
    "OwnerLostError",
    "QueueFullError",
    "ReceiverError",
    "StartError",
    "StateError",
    "StoreError",
    "TimestampError",
    "TocsinError",
    "TooLargeError",
    "UnknownMetricError",
]


class TocsinError(Exception):
    """Base of all errors that Tocsin raises on purpose."""


class BadInputError(TocsinError, ValueError):
    """What the caller gave cannot be used."""


class BadSampleError(BadInputError):
    """A sample that no model may learn from: not finite, or not later than the one before."""

    def __init__(self, message: str, *, row: int | None = None) -> None:
        super().__init__(message)
        #: Position of the sample in what was given, from 0; None for a single sample.
        self.row = row


class TimestampError(BadInputError):
    """A time that cannot be read without guessing."""


class TooLargeError(BadInputError):
    """More at once than is allowed."""


class FileFormatError(BadInputError):
    """A file that cannot be read as metrics."""


class ConfigurationError(TocsinError, ValueError):
    """A setting that does not exist or has a value that is not allowed."""


class StateError(TocsinError, ValueError):
    """Saved state that is damaged, of something else, or of a newer version."""


class MissingDataError(TocsinError):
    """Data that a command needs is not where it was said to be."""


class MissingExtraError(TocsinError, ImportError):
    """A part of Tocsin that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs more packages: pip install 'tocsin[{extra}]'")
        self.extra = extra


class ModelError(TocsinError):
    """A model of somebody else's raised, hung, died, gave no usable score, or is not there."""

    def __init__(self, message: str, *, reason: str, row: int = 0, raw: Any = None) -> None:
        super().__init__(message)
        #: A code: ``model_raised``, ``model_hung``, ``model_died``, ``model_missing``,
        #: ``model_not_allowed``, ``model_lost``.
        self.reason = reason
        #: How many samples of those given were scored and learnt before it.
        self.row = row
        #: Their raw scores, where they are known.
        self.raw = raw


class MetricNotActiveError(TocsinError):
    """A result for a metric that is not being scored; nothing was written."""


class ActionRefusedError(TocsinError):
    """Something was asked of a metric that its status does not allow; nothing was changed."""


class UnknownMetricError(TocsinError):
    """There is no such metric, or there is none any more."""


class StoreError(TocsinError):
    """The database refused or cannot be reached."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        #: Whether the same again would be refused again (False: trying again may help).
        self.lasting = lasting


class OwnerLostError(StoreError):
    """Another start has taken the database over; this one may not write any more."""


class QueueFullError(TocsinError):
    """More samples arrive than can be stored; the sender may try again a little later."""


class StartError(TocsinError):
    """The service cannot start; the message says what to change."""


class ReceiverError(TocsinError):
    """A receiver of notifications did not take one; trying again may help."""


class MessageRefusedError(ReceiverError):
    """A receiver answered that it will not take this message."""


class OutputError(TocsinError, OSError):
    """A result could not be written; nothing is left under its final name."""
