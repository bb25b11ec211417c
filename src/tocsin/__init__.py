"""Tocsin: streaming anomaly detection for metrics.

The public face; everything else is reached by its own module. Importing this loads no database,
web server or plotting library, and nothing heavy until a name is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.detect.detector import Detector
    from tocsin.detect.events import Event
    from tocsin.detect.fleet import Fleet
    from tocsin.detect.result import Readiness, Result
    from tocsin.detect.settings import Settings
    from tocsin.scanning import ScanResult, scan

__all__ = [
    "Detector",
    "Event",
    "Fleet",
    "Readiness",
    "Result",
    "ScanResult",
    "Settings",
    "__version__",
    "scan",
]

__version__ = "0.1.0"

_HOME = {
    "Detector": "tocsin.detect.detector",
    "Event": "tocsin.detect.events",
    "Fleet": "tocsin.detect.fleet",
    "Readiness": "tocsin.detect.result",
    "Result": "tocsin.detect.result",
    "ScanResult": "tocsin.scanning",
    "Settings": "tocsin.detect.settings",
    "scan": "tocsin.scanning",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tocsin' has no attribute {name!r}")
    found = getattr(import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
