"""The driver of all fuzz targets: ``python -m tests.fuzz.run``, or ``make fuzz``.

Every module of this folder with ``one`` and ``SEEDS`` is a target, and runs in a process of its
own. First blind mutation, which is quick; then, where atheris is installed, inputs that are guided
by what they make the decoder do, whose finds are kept in ``corpus/`` when asked to.
"""

from __future__ import annotations

import argparse
import atexit
import importlib
import importlib.util
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.fuzz.campaign import Campaign, Target, save

__all__ = ["main", "target", "targets"]

FOLDER: Final = Path(__file__).parent
CORPUS: Final = FOLDER / "corpus"
_FOUND: Final = FOLDER / "found"
_NO_TARGETS: Final = ("__init__", "run", "campaign", "mutation", "conftest")
#: Of each target's corpus, files up to this size and number are kept.
_MOST_FILES: Final = 40
_MOST_BYTES: Final = 512
#: By the clock on the wall, which on a busy machine says little; blind mutation is exact.
_GUIDED_S: Final = 20
_ROOT: Final = FOLDER.parents[1]


def targets() -> list[str]:
    """The names of all targets."""
    names = (path.stem for path in sorted(FOLDER.glob("*.py")))
    return [name for name in names if name not in _NO_TARGETS and not name.startswith("test_")]


def target(name: str) -> Target:
    """A target by its name."""
    return Target.of(importlib.import_module(f"tests.fuzz.{name}"), CORPUS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the targets; the exit code says whether all is well."""
    asked = _options(arguments)
    if asked.guided_here:
        _guided(asked.guided_here, asked.guided, Path(asked.folder))
        return 0
    if asked.here:
        return _blind(asked.here, asked.inputs, asked.seconds, asked.seed)
    names = asked.targets or targets()
    failed = [name for name in names if not _one(name, asked)]
    print(f"{len(names) - len(failed)} of {len(names)} targets hold", flush=True)
    return 1 if failed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    told = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    told.add_argument("targets", nargs="*", help=f"of {', '.join(targets())}; default: all")
    told.add_argument("--inputs", type=int, default=1_000_000, help="of each target, blind")
    told.add_argument("--seconds", type=float, default=float("inf"), help="at most, each, blind")
    told.add_argument("--guided", type=int, default=100_000, help="inputs of each, with atheris")
    told.add_argument("--seed", type=int, default=None, help="default: another one every time")
    told.add_argument("--keep", action="store_true", help="put what atheris found into corpus/")
    told.add_argument("--here", help=argparse.SUPPRESS)
    told.add_argument("--guided-here", help=argparse.SUPPRESS)
    told.add_argument("--folder", help=argparse.SUPPRESS)
    asked = told.parse_args(arguments)
    if asked.seed is None:
        asked.seed = time.time_ns() % 2**32
    return asked


def _one(name: str, asked: argparse.Namespace) -> bool:
    """Both ways, each in a process of its own: a crash ends that one only."""
    options = [f"--inputs={asked.inputs}", f"--seconds={asked.seconds}", f"--seed={asked.seed}"]
    good = _process("--here", name, *options)
    if good and asked.guided and importlib.util.find_spec("atheris"):
        with tempfile.TemporaryDirectory() as folder:
            good = _process("--guided-here", name, f"--guided={asked.guided}", "--folder", folder)
            if good and asked.keep:
                _keep(name, Path(folder))
    return good


def _process(*arguments: str) -> bool:
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.run", *arguments]
    done = subprocess.run(command, check=False, cwd=_ROOT)
    if done.returncode not in (0, 1):
        print(f"{' '.join(arguments)}: ended with {done.returncode}", flush=True)
    return done.returncode == 0


def _blind(name: str, inputs: int, seconds: float, seed: int) -> int:
    outcome = Campaign(target(name), inputs, seconds, seed).run()
    print(outcome, flush=True)
    if outcome.failure is None:
        return 0
    print(f"seed {seed}; the input is {save(outcome, _FOUND)}", flush=True)
    return 1


def _guided(name: str, inputs: int, folder: Path) -> None:
    """Ends this process, as libFuzzer does."""
    import atheris

    with atheris.instrument_imports(include=["tocsin.ingest"], exclude=_compiled()):
        made = target(name)
    for number, seed in enumerate(made.seeds):
        (folder / f"seed-{number}").write_bytes(seed)
        made.one(seed)  # what is compiled and loaded the first time counts for nothing
    _FOUND.mkdir(exist_ok=True)
    options = [
        f"-atheris_runs={inputs}",
        f"-timeout={_GUIDED_S}",
        "-rss_limit_mb=2048",
        "-max_len=4096",
        "-verbosity=0",
        "-print_final_stats=1",
        f"-artifact_prefix={_FOUND}/{name}-",
    ]

    def one(data: bytes) -> None:
        made.one(data)

    # libFuzzer's alarm would end a process that takes its time to end.
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
    atheris.Setup([name, *options, str(folder)], one)
    print(f"{name:<24} {inputs:>12,} inputs guided by atheris", flush=True)
    atheris.Fuzz()


def _compiled() -> list[str]:
    """Modules with kernels, which cannot be compiled once their code is instrumented."""
    source = _ROOT / "src"
    found = (source / "tocsin" / "ingest").rglob("*.py")
    return [
        ".".join(path.relative_to(source).with_suffix("").parts)
        for path in found
        if "detect.compile" in path.read_text()
    ]


def _keep(name: str, folder: Path) -> None:
    """Of what atheris found new, the smallest files."""
    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    found = sorted(
        (path for path in folder.iterdir() if not path.name.startswith("seed-")),
        key=lambda path: path.stat().st_size,
    )
    small = [path for path in found if 0 < path.stat().st_size <= _MOST_BYTES]
    step = max(1, len(small) // _MOST_FILES)
    for path in small[::step][: _MOST_FILES - len(list(kept.iterdir()))]:
        (kept / path.name[:12]).write_bytes(path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
