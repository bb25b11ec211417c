"""Measure variants of the model, each in a process of its own with its own compiled kernels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tocsin
from tocsin.bench.variants.measure import Figures
from tocsin.bench.variants.patching import Values
from tocsin.errors import OutputError

__all__ = ["Measured", "On", "Variant", "measure_all"]

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Variant:
    """The model with other constants."""

    name: str
    values: Values


@dataclass(frozen=True, slots=True)
class On:
    """What variants are measured on."""

    nab: Path | None
    data: Path | None
    half: str = "all"

    def fingerprint(self) -> bytes:
        """A name for the contents. Cost: reads all files."""
        digest = blake2b(self.half.encode())
        for folder in (self.nab, self.data):
            digest.update(b"" if folder is None else _contents(folder))
        return digest.digest()


@dataclass(frozen=True, slots=True)
class Measured:
    """A variant with its figures, or why it has none."""

    variant: Variant
    figures: Figures | None
    failure: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        figures = None if self.figures is None else self.figures.as_dict()
        name, values = self.variant.name, self.variant.values
        return {"variant": name, "values": values, "figures": figures, "failure": self.failure}


def measure_all(
    variants: Sequence[Variant],
    on: On,
    jobs: int = 1,
    results: Path | None = None,
    progress: Progress = lambda _: None,
) -> list[Measured]:
    """Figures of every variant, in the order given; ``jobs`` at a time.

    ``results``: a folder in which figures are kept, and found again while neither Tocsin's sources
    nor the data change. Errors: `OutputError`. Cost: compiling, some 15 s a variant, and `measure`.
    """
    memory = _Memory(results, on)
    found: dict[int, Measured] = {}
    pending: dict[Future[Measured], int] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for number, variant in enumerate(variants):
            known = memory.recall(variant)
            if known is not None:
                found[number] = known
            else:
                pending[pool.submit(_measure, variant, on)] = number
        try:
            while pending:
                for done in wait(pending, return_when=FIRST_COMPLETED).done:
                    number = pending.pop(done)
                    found[number] = done.result()
                    memory.keep(found[number])
                    progress(f"{len(found)} of {len(variants)} variants measured")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [found[number] for number in range(len(variants))]


def _measure(variant: Variant, on: On) -> Measured:
    request = {
        "values": variant.values,
        "nab": None if on.nab is None else str(on.nab.resolve()),
        "data": None if on.data is None else str(on.data.resolve()),
        "half": on.half,
    }
    with TemporaryDirectory(prefix="tocsin-variant-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tocsin.bench.variants.child"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            env={**os.environ, "NUMBA_CACHE_DIR": folder},
            check=False,
        )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        return Measured(variant, None, lines[-1])
    return Measured(variant, Figures(**json.loads(done.stdout.splitlines()[-1])))


class _Memory:
    """Figures kept in a folder, by what they depend on; failures are tried again."""

    def __init__(self, folder: Path | None, on: On) -> None:
        self._folder = folder
        if folder is not None:
            sources = Path(tocsin.__file__).parent
            parts = [_contents(sources / name, "*.py") for name in ("detect", "bench")]
            self._common = on.fingerprint() + b"".join(parts)

    def _file(self, variant: Variant) -> Path | None:
        if self._folder is None:
            return None
        told = json.dumps(variant.values, sort_keys=True).encode()
        return self._folder / f"{blake2b(self._common + told, digest_size=16).hexdigest()}.json"

    def recall(self, variant: Variant) -> Measured | None:
        file = self._file(variant)
        if file is None or not file.is_file():
            return None
        figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
        return Measured(variant, Figures(**figures))

    def keep(self, measured: Measured) -> None:
        file = self._file(measured.variant)
        if file is None or measured.figures is None:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            # Whole or not at all: the next run reads it.
            beside = file.with_suffix(".part")
            beside.write_text(json.dumps(measured.as_dict(), indent=2) + "\n", encoding="utf-8")
            beside.replace(file)
        except OSError as error:
            raise OutputError(f"cannot write {file}: {error.strerror}") from error


def _contents(folder: Path, pattern: str = "*") -> bytes:
    digest = blake2b()
    for path in sorted(folder.rglob(pattern)):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.digest()
