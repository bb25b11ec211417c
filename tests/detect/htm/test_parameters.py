"""Parameters of the HTM model: presets, and what is refused and why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tocsin.detect.models.htm.parameters import PRESETS, Htm
from tocsin.errors import ConfigurationError


def test_default_is_the_predecessors() -> None:
    htm = Htm()
    assert (htm.columns, htm.cells, htm.active_columns) == (2048, 32, 40)
    assert (htm.synapses, htm.activation_threshold, htm.match_threshold) == (32, 13, 10)
    assert (htm.value_bits, htm.value_width) == (400, 21)


@pytest.mark.parametrize("name", PRESETS)
def test_plain_values_make_the_same_parameters(name: str) -> None:
    htm = Htm.of(name)
    assert Htm.of(json.loads(json.dumps(htm.as_dict()))) == htm


def test_a_table_changes_a_preset() -> None:
    htm = Htm.of({"preset": "small", "columns": 512})
    assert (htm.columns, htm.cells) == (512, Htm.of("small").cells)
    assert Htm.of(None) == Htm.of({}) == Htm()
    assert Htm.of(htm) is htm


def test_encoders_that_are_off_take_no_bits() -> None:
    htm = Htm(value_width=0, time_of_day_width=0, delta_width=21)
    assert (htm.inputs, htm.most_on) == (400, 21)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"preset": "tiny"}, "unknown htm preset 'tiny'"),
        ({"colums": 512}, "did you mean 'columns'?"),
        ({"columns": 64, "active_columns": 40}, "htm.active_columns = 40: must be at most half"),
        ({"columns": 4096}, "htm.columns x htm.cells = 131072: must be at most (65536)"),
        ({"activation_threshold": 33}, "htm.activation_threshold = 33: must be at most"),
        ({"active_columns": 12}, "at most htm.active_columns (12)"),
        ({"match_threshold": 14}, "at most htm.activation_threshold (13)"),
        ({"new_synapses": 33}, "htm.new_synapses = 33: must be at most htm.synapses (32)"),
        ({"new_synapses": 9}, "htm.match_threshold = 10: must be at most htm.new_synapses (9)"),
        ({"cells": 0}, "htm.cells = 0: must be a whole number from 1"),
        ({"cells": 32.0}, "must be a whole number"),
        ({"seed": True}, "must be a whole number"),
        ({"potential_share": float("nan")}, "htm.potential_share = nan"),
        ({"permanence_increment": "much"}, "htm.permanence_increment = 'much'"),
        ({"range_rule": 1}, "htm.range_rule = 1: must be true or false"),
        ({"range_low": 0}, "give both or neither"),
        ({"range_low": 5, "range_high": 5}, "must be above htm.range_low (5)"),
        ({"range_low": 0, "range_high": float("inf")}, "htm.range_high = inf"),
        ({"value_bits": 41}, "at least twice htm.value_width (21)"),
        ({"value_width": 0, "time_of_day_width": 0}, "every encoder has width 0"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(table: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Htm.of(table)
    assert told in str(refused.value)
