"""Limits of a setting: what is allowed, told in the error."""

from __future__ import annotations

from tocsin.errors import ConfigurationError

__all__ = ["number", "whole"]


def whole(key: str, value: object, low: int, high: int) -> None:
    """Refuse anything but a whole number in ``low..high``. Errors: `ConfigurationError`."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigurationError(f"{key} = {value!r}: must be a whole number from {low} to {high}")


def number(key: str, value: object, low: float, high: float) -> None:
    """Refuse anything but a finite number in ``low..high``. Errors: `ConfigurationError`."""
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return  # not-a-number fails the comparison
    raise ConfigurationError(f"{key} = {value!r}: must be a number from {low:g} to {high:g}")
