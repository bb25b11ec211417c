"""The parameters as the kernels read them: one record of whole numbers and fractions.

Permanences are whole numbers in 8 bits. Changes of them are kept in 256ths and rounded by chance
(`chance.rounded`), so that a decrement far below one step of 1/255 still counts on average.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tocsin.detect.models.htm.parameters import Htm

__all__ = ["LARGEST", "PLAN", "plan"]

#: The permanence 1.
LARGEST: Final = 255
_WORD: Final = 64

PLAN: Final = np.dtype(
    [
        ("seed", "i8"),
        ("inputs", "i8"),
        ("columns", "i8"),
        ("words", "i8"),  # 64-bit words that hold a bit per column
        ("active_columns", "i8"),
        ("potential", "f8"),
        ("spatial_connected", "i8"),
        ("spatial_increment", "i8"),  # in 256ths of a step, as all changes here
        ("spatial_decrement", "i8"),
        ("boost", "f8"),
        ("cells", "i8"),
        ("segments", "i8"),
        ("synapses", "i8"),
        ("new_synapses", "i8"),
        ("activation", "i8"),
        ("match", "i8"),
        ("initial", "i8"),
        ("connected", "i8"),
        ("increment", "i8"),
        ("decrement", "i8"),
        ("punishment", "i8"),
        ("eager", "i8"),
        ("range_rule", "i8"),
        ("value_bits", "i8"),
        ("value_width", "i8"),
        ("buckets", "i8"),
        ("range_given", "i8"),
        ("range_low", "f8"),
        ("range_high", "f8"),
        ("smallest_bucket", "f8"),
        ("range_trim", "f8"),
        ("range_samples", "i8"),
        ("delta_bits", "i8"),
        ("delta_width", "i8"),
        ("time_of_day_bits", "i8"),
        ("time_of_day_width", "i8"),
        ("day_of_week_width", "i8"),
        ("weekend_width", "i8"),
        ("prediction_steps", "i8"),
        ("prediction_rate", "f8"),
        ("prediction_share", "f8"),
    ],
    align=True,
)


def plan(htm: Htm) -> NDArray[np.void]:
    """One `PLAN` record in an array of one."""
    made = np.zeros(1, dtype=PLAN)
    for key in PLAN.names or ():
        if hasattr(htm, key):
            number = getattr(htm, key)
            made[key] = 0.0 if number is None else number
    numbers = {
        "words": -(-htm.columns // _WORD),
        "range_given": htm.range_low is not None,
        "potential": htm.potential_share,
        "spatial_connected": 1 + round(htm.spatial_connected * (LARGEST - 1)),
        "spatial_increment": _parts(htm.spatial_increment),
        "spatial_decrement": _parts(htm.spatial_decrement),
        "boost": htm.boost_strength,
        "activation": htm.activation_threshold,
        "match": htm.match_threshold,
        "initial": max(_steps(htm.initial_permanence), 1),
        "connected": max(_steps(htm.connected_permanence), 1),
        "increment": _parts(htm.permanence_increment),
        "decrement": _parts(htm.permanence_decrement),
        "punishment": _parts(htm.punishment),
    }
    for key, number in numbers.items():
        made[key] = number
    return made


def _steps(permanence: float) -> int:
    return round(permanence * LARGEST)


def _parts(change: float) -> int:
    return round(change * LARGEST * 256)
