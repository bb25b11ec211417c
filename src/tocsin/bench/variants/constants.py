"""The numbers of the default model: every number that a module of it names.

Found by reading the sources, so that a view that is added later is there too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import tocsin
from tocsin.bench.variants.patching import Number, assigned

__all__ = ["MODULES", "VIEWS", "Constant", "constants", "modules"]

VIEWS: Final = "tocsin.detect.models.views"
#: Where the model's numbers are; of packages, all their modules.
MODULES: Final = (
    VIEWS,
    "tocsin.detect.likelihood.pareto",
    "tocsin.detect.likelihood.evidence",
    "tocsin.detect.likelihood.frequency",
    "tocsin.detect.alarm",
    "tocsin.detect.kernels.step",
    "tocsin.detect.kernels.evidence",
)
#: Units and the sizes of types: not the model's choice.
_NOT_CHOSEN: Final = {
    "_DAY_NS",
    "_WEEK_NS",
    "_HOUR_NS",
    "_HALF_HOURS",
    "_FORECASTERS",
    "_MOST_DAYS",
}
#: Numbers as large or as small as this keep arithmetic finite, and mean nothing.
_HUGE: Final = 1e18
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Constant:
    """A number of the model's, or one of a tuple of them."""

    module: str
    name: str
    value: int | float
    #: The tuple and the place in it, if the name is a tuple's.
    whole: tuple[int | float, ...] = ()
    place: int = 0

    def __str__(self) -> str:
        short = self.module.removeprefix("tocsin.detect.").removeprefix("models.")
        return f"{short}.{self.name}" + (f"[{self.place}]" if self.whole else "")

    def at(self, value: int | float) -> dict[str, dict[str, Number]]:
        """What to change to have another value here: see `patching.install`."""
        if not self.whole:
            return {self.module: {self.name: value}}
        changed = (*self.whole[: self.place], value, *self.whole[self.place + 1 :])
        return {self.module: {self.name: changed}}

    @property
    def halved(self) -> int | float:
        """Half of it; of a count at least 1."""
        return max(1, self.value // 2) if isinstance(self.value, int) else self.value / 2.0

    @property
    def doubled(self) -> int | float:
        """Twice it; a share of one half or more comes half the way to 1."""
        if 0.5 <= self.value < 1.0:
            return (1.0 + self.value) / 2.0
        return 2 * self.value


def modules() -> Iterator[tuple[str, Path]]:
    """The model's modules and their files, packages' modules one by one."""
    root = Path(tocsin.__file__).parent.parent
    for name in MODULES:
        path = root.joinpath(*name.split("."))
        if not path.is_dir():
            yield name, path.with_suffix(".py")
            continue
        for file in sorted(path.glob("*.py")):
            yield name if file.stem == "__init__" else f"{name}.{file.stem}", file


def constants() -> list[Constant]:
    """All numbers that the model's modules name, in the order of the sources."""
    return [constant for module, path in modules() for constant in _of(module, path)]


def _of(module: str, path: Path) -> Iterator[Constant]:
    for name, node in assigned(ast.parse(path.read_bytes(), str(path)).body).items():
        if name in _NOT_CHOSEN or node.value is None:
            continue
        found = _number(node.value)
        if isinstance(found, tuple):
            for place, value in enumerate(found):
                if _is_chosen(value):
                    yield Constant(module, name, value, found, place)
        elif found is not None and _is_chosen(found):
            yield Constant(module, name, found)


def _is_chosen(value: int | float) -> bool:
    return _TINY < abs(value) < _HUGE


def _number(node: ast.expr) -> int | float | tuple[int | float, ...] | None:
    """The value of an expression of nothing but numbers, or of a tuple of such; else None."""
    if isinstance(node, ast.Tuple):
        found = [_number(one) for one in node.elts]
        numbers = tuple(one for one in found if isinstance(one, int | float))
        return numbers if numbers and len(numbers) == len(found) else None
    allowed = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
    if not all(isinstance(one, allowed) for one in ast.walk(node)):
        return None
    value = eval(compile(ast.Expression(node), "<constant>", "eval"), {"__builtins__": {}})
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else None
