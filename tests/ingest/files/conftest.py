"""A way to write small files and read them at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.ingest.files import FileReading, ReadOptions, read_file

Read = Callable[..., FileReading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write text (or bytes) as a file and read it: ``read(text, name="x.csv", **options)``."""

    def write_and_read(content: str | bytes, name: str = "web.csv", **options: Any) -> FileReading:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_file(path, ReadOptions(**options))

    return write_and_read
