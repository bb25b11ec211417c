"""Ablation: the default model without one of its parts, to see what the part is worth.

A view is found by its weight: ``_<VIEW>_WEIGHT`` at the top of `tocsin.detect.models.views`, and
``_<VIEW>_REACH`` if it has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tocsin.bench.variants.constants import VIEWS, Constant, constants
from tocsin.bench.variants.patching import Number
from tocsin.bench.variants.run import Variant

__all__ = ["parts"]

_WEIGHT: Final = "_WEIGHT"
_REACH: Final = "_REACH"
#: Weights of parts that are no views.
_NO_VIEWS: Final = {"_RECENT_WEIGHT": "recent evidence"}
#: Other parts: what to change so that they do nothing.
_OTHERS: Final[dict[str, dict[str, dict[str, Number]]]] = {
    # Nothing is that many powers of ten larger than usual.
    "size without the course": {VIEWS: {"_FULL_COURSE": 1e9}},
    "size without the forecast": {VIEWS: {"_FULL_FORECAST": 1e9}},
    "size without the distance": {VIEWS: {"_FULL_DISTANCE": 1e9}},
    # A prior of so many samples that the metric's own never count.
    "sum taken at its word": {"tocsin.detect.likelihood.evidence": {"_PRIOR": 1e15}},
    # Anomalies enter the likelihood as large as they are.
    "anomalies not cut": {"tocsin.detect.likelihood.evidence": {"_WINSOR_TIMES": 1e15}},
    "an anomaly learnt as it comes": {"tocsin.detect.likelihood.evidence": {"_LEARNT_AGAIN": 1}},
    "whatever the size": {VIEWS: {"_LEAST_EFFECT": 1.0}},
    "without times of day": {VIEWS: {"_HABITUAL_VALUE": 1.0, "_HABITUAL_FORECAST": 1.0}},
    "without what is usual all day": {f"{VIEWS}.daily": {"_UNLIKE": 1e9, "_ALIKE": 2e9}},
    "without habits": {f"{VIEWS}.habit": {"_RARE": 1e15}},
    "without staying away": {f"{VIEWS}.stay": {"_RARE": 1e15}},
    "drift is not followed": {f"{VIEWS}.drift": {"_FASTEST": 0.0}},
    "everything is news": {"tocsin.detect.alarm": {"_WORSE": 0.0}},
}


def parts(found: Sequence[Constant] | None = None) -> list[Variant]:
    """The model as it is, and without each part.

    ``found``: the model's constants, if not those of the sources.
    """
    own = [one for one in found or constants() if one.module == VIEWS and not one.whole]
    weights = [one for one in own if one.name.endswith(_WEIGHT) and one.name not in _NO_VIEWS]
    reaches = [one for one in own if one.name.endswith(_REACH) and len(one.name) > len(_REACH)]
    told = [Variant("as it is", {})]
    for weight in weights:
        told.append(Variant(f"without the {_view(weight)} view", _off([weight], reaches)))
    for weight in weights:
        others = [one for one in weights if one is not weight]
        told.append(Variant(f"only the {_view(weight)} view", _off(others, reaches)))
    same = {weight.name: 1.0 for weight in weights}
    told.append(Variant("all views weigh the same", {VIEWS: same}))
    told.append(Variant("without distance beyond the range", _off(reaches, [])))
    for one in own:
        if one.name in _NO_VIEWS:
            told.append(Variant(f"without {_NO_VIEWS[one.name]}", _off([one], [])))
    return told + [Variant(name, values) for name, values in _OTHERS.items()]


def _view(weight: Constant) -> str:
    return weight.name.removesuffix(_WEIGHT).strip("_").lower().replace("_", " ")


def _off(weights: Iterable[Constant], reaches: Sequence[Constant]) -> dict[str, dict[str, Number]]:
    """These at 0, and the reaches of the same views."""
    names = [weight.name for weight in weights]
    both = {name.removesuffix(_WEIGHT) + _REACH for name in names}
    names += [one.name for one in reaches if one.name in both]
    return {VIEWS: dict.fromkeys(names, 0.0)}
