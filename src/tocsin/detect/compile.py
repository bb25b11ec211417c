"""How kernels are compiled: Numba, without the GIL, cached on disk, arithmetic as written.

Numba renews a cached kernel when its own file changes, not when a kernel or constant that it
uses does. So the cache lies in a folder named after the contents of all of `tocsin.detect`, below
``NUMBA_CACHE_DIR`` or the user's cache folder: a kernel never outlives what it was made of.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba

__all__ = ["cache_folder", "kernel", "leave_scipy"]

F = TypeVar("F", bound=Callable[..., object])

_DETECT: Final = Path(__file__).parent

#: Folders of older sources that are left for whoever still runs them.
_KEPT: Final = 3


def kernel(function: F) -> F:
    """Compile a function on first use.

    No fast-math: sums keep their order, so the same samples give the same bits whatever the
    batch.
    """
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(_folder_of(Path(function.__code__.co_filename).parent))
    try:
        return _compiled(function)
    finally:
        config.CACHE_DIR = before


def _compiled(function: F) -> F:
    try:
        compiled: Any = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # no folder can be written: compile anew in every process
        compiled = numba.njit(nogil=True, error_model="numpy")(function)
    return cast("F", compiled)


def leave_scipy() -> None:
    """Have Numba not import SciPy, which takes a second wherever it is installed.

    Numba does so before the first kernel, to find out once whether it can compile ``np.cov``;
    no kernel here asks for that. For programs of our own: in this process nobody can then.
    """
    from numba.np import linalg

    asked = linalg.ensure_blas
    linalg.ensure_blas = _no_scipy
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        linalg.ensure_blas = asked


def _no_scipy() -> None:
    raise ImportError("left out: no kernel multiplies matrices")


@cache
def cache_folder() -> Path:
    """Where the kernels of these sources are cached. Cost: reads the sources, once."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(given) if given else _user_folder()
    folder = base / _fingerprint(_DETECT)
    if not folder.is_dir():
        _prune(base)
    return folder


@cache
def _folder_of(sources: Path) -> Path:
    """Where the kernels in the files of this folder are cached."""
    if sources == _DETECT or _DETECT in sources.parents:
        return cache_folder()
    return cache_folder() / _fingerprint(sources)


def _user_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(home or Path("~/.cache").expanduser()) / "tocsin" / "kernels"


def _fingerprint(sources: Path) -> str:
    """A name for the contents of all sources below a folder."""
    digest = hashlib.sha256()
    for path in sorted(sources.rglob("*.py")):
        digest.update(path.relative_to(sources).as_posix().encode())
        digest.update(path.read_bytes())
    return f"sources-{digest.hexdigest()[:16]}"


def _prune(base: Path) -> None:
    """Forget the oldest folders of other sources."""
    try:
        folders = sorted(base.glob("sources-*"), key=lambda path: path.stat().st_mtime)
    except OSError:
        return
    for old in folders[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
