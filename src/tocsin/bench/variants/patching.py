"""Other values for module constants, set while their modules are imported.

Compiled kernels take constants in, other modules import them by name, and layouts of state are
made of them: so a constant has to be another one from the first. An import hook does it. Nothing of
Tocsin's is imported here, for this must come before.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

__all__ = ["Number", "Values", "assigned", "install"]

Number = int | float | Sequence[int | float]
#: Module -> constant -> its other value.
Values = Mapping[str, Mapping[str, Number]]


def assigned(body: Iterable[ast.stmt]) -> dict[str, ast.Assign | ast.AnnAssign]:
    """The last assignment to each name at the top of a module."""
    found: dict[str, ast.Assign | ast.AnnAssign] = {}
    for node in body:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets: list[ast.expr] = [node.target]
        elif isinstance(node, ast.Assign):
            targets = list(node.targets)
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = node
    return found


def install(values: Values) -> None:
    """Give constants other values in modules that are imported from now on.

    Errors: `ImportError` now for a module that is imported already, and later, by its import, for a
    constant that it does not have.
    """
    for module in values:
        if module in sys.modules:
            raise ImportError(f"{module} is imported already: its constants are in use")
    sys.meta_path.insert(0, _Finder(values))


class _Finder(MetaPathFinder):
    def __init__(self, values: Values) -> None:
        self._values = values

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._values:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin, self._values[fullname])
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, values: Mapping[str, Number]) -> None:
        super().__init__(fullname, path)
        self._constants = values

    def get_code(self, fullname: str) -> CodeType:
        """The module's code with other constants; never what was compiled before."""
        tree = ast.parse(self.get_data(self.path), self.path)
        found = assigned(tree.body)
        for name, value in self._constants.items():
            if name not in found:
                raise ImportError(f"{fullname} has no constant {name}", name=fullname)
            node = found[name]
            given = tuple(value) if isinstance(value, Sequence) else value
            node.value = ast.parse(repr(given), mode="eval").body
            for part in ast.walk(node.value):
                ast.copy_location(part, node)
        return compile(tree, self.path, "exec")
