"""Names of models of somebody else's, and finding what they name.

``river.anomaly.HalfSpaceTrees(height=6)``: a class (or a function that makes the object) by its
module, with arguments that are literals. Or the name of a plug-in: an entry point of the group
`GROUP` that an installed package declares. Reading a name runs nothing of it; `make` does.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from typing import Any, Final

from tocsin.errors import ConfigurationError, ModelError

__all__ = ["GROUP", "Named", "check_name", "permitted"]

#: Packages declare their models under this group of entry points.
GROUP: Final = "tocsin.models"

_PATH: Final = re.compile(r"[A-Za-z_]\w*(?:[.-]\w+)*")
_LONGEST: Final = 1000
#: What models call the number that makes chance repeatable. Replays must give the same bits, so
#: one that nobody gives gets a fixed one.
_SEEDS: Final = ("seed", "random_state")
_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Named:
    """A model's name, read."""

    #: ``module.Class``, or a plug-in's name.
    path: str
    arguments: dict[str, Any]

    @classmethod
    def of(cls, model: str) -> Named:
        """Read a name; nothing is imported.

        >>> Named.of("river.anomaly.HalfSpaceTrees(height=6)")
        Named(path='river.anomaly.HalfSpaceTrees', arguments={'height': 6})

        Errors: `ConfigurationError`.
        """
        path, bracket, rest = model.partition("(")
        if len(model) > _LONGEST or not _PATH.fullmatch(path):
            raise ConfigurationError(f"model = {model[:80]!r}: must be a name such as module.Class")
        return cls(path, _literals(model, bracket + rest) if bracket else {})

    @property
    def plugin(self) -> bool:
        """Whether this is no path of a class: it must be an entry point."""
        return "." not in self.path

    def find(self) -> Callable[..., Any]:
        """Import what is named: a class, or a function that makes the object.

        Errors: `ModelError` (``model_missing``) says what is not there.
        """
        try:
            found = _plugin(self.path).load() if self.plugin else _attribute(self.path)
        except ModelError:
            raise
        except Exception as error:
            raise _missing(f"{self.path} cannot be imported: {error}") from error
        if not callable(found):
            raise _missing(f"{self.path} is no class")
        made: Callable[..., Any] = found
        return made

    def make(self) -> Any:
        """Import what is named and call it with the arguments. Errors: `ModelError`."""
        found = self.find()
        try:
            return found(**_seeded(found, self.arguments))
        except Exception as error:
            raise _missing(f"{self.path} cannot be made: {_told(error)}") from error


def check_name(model: str, own: Sequence[str]) -> None:
    """Refuse what can be no model: neither one of ``own``, nor a plug-in's, nor a class's name.

    Errors: `ConfigurationError` says what is allowed.
    """
    named = Named.of(model)
    if not named.plugin or named.path in _plugins():
        return
    near = get_close_matches(named.path, [*own, *_plugins()], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    installed = f", {', '.join(sorted(_plugins()))} (plug-ins)" if _plugins() else ""
    raise ConfigurationError(
        f"model = {model!r}: must be one of {', '.join(own)}{installed}, "
        f"or a class of yours as module.Class{hint}"
    )


def permitted(model: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns allows this model.

    >>> permitted("river.anomaly.LODA(n_bins=5)", ["river.*"]), permitted("os.system", ["river.*"])
    (True, False)
    """
    path = Named.of(model).path
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _literals(model: str, call: str) -> dict[str, Any]:
    """The arguments of a call whose arguments are all literals given by name."""
    try:
        parsed = ast.parse(f"_{call}", mode="eval").body
        if not isinstance(parsed, ast.Call) or not isinstance(parsed.func, ast.Name):
            raise ValueError("it is no call")
        if parsed.args or any(keyword.arg is None for keyword in parsed.keywords):
            raise ValueError("arguments need names")
        given = {str(one.arg): ast.literal_eval(one.value) for one in parsed.keywords}
        if len(given) < len(parsed.keywords):
            raise ValueError("a name is given twice")
        return given
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ConfigurationError(
            f"model = {model[:80]!r}: arguments must be literals, as in module.Class(height=6)"
        ) from error


@cache
def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _plugin(name: str) -> EntryPoint:
    if name not in _plugins():
        raise _missing(f"no installed package has a model named {name!r} ({GROUP})")
    return _plugins()[name]


def _attribute(path: str) -> Any:
    """``module.Class``; what a module merely imported from elsewhere is not there.

    Whoever allows ``package.*`` does not mean everything that the package happens to import.
    """
    module, _, name = path.rpartition(".")
    found = getattr(import_module(module), name, None)
    if found is None:
        raise _missing(f"module {module} has no {name}")
    home = str(getattr(found, "__module__", "")).partition(".")[0]
    if home != module.partition(".")[0]:
        raise _missing(f"{path} is not {module}'s own, but of {home or 'nobody'}: name it there")
    return found


def _seeded(found: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        known = signature(found).parameters
    except (TypeError, ValueError):  # written in C, without a signature
        return arguments
    given = {name: _SEED for name in _SEEDS if name in known and known[name].default is None}
    return given | arguments


def _missing(detail: str) -> ModelError:
    return ModelError(detail, reason="model_missing")


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
