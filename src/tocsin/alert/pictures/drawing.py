"""Drawing panels over one axis of time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from tocsin.alert.pictures.axes import round_values, time_marks, told_value
from tocsin.alert.pictures.panel import Floats, Ints, Panel, thinned
from tocsin.errors import MissingExtraError

try:
    from PIL import Image, ImageDraw, ImageFont
except ModuleNotFoundError as error:
    raise MissingExtraError("pictures of events", "server") from error

__all__ = ["png"]

#: Drawn so many times larger than shown, which smoothes lines.
_FINE: Final = 2
_WIDTH: Final = 880
_PANEL: Final = {1: 250, 2: 190, 3: 150, 4: 130}
_HEAD: Final = 46
_FOOT: Final = 28
_LEFT: Final = 70
_RIGHT: Final = 16
#: Above each panel, for its title.
_TITLE: Final = 22
_LARGEST: Final = 1e300
_FONTS: Final = ("DejaVuSans.ttf", "Arial.ttf")

# Told apart by people who see few colours, too.
_PAPER: Final = "#ffffff"
_INK: Final = "#1b1f24"
_FAINT: Final = "#6b7280"
_GRID: Final = "#e5e7eb"
_BAND: Final = "#d6e6f5"
_EXPECTED: Final = "#7aa6d1"
_LINE: Final = "#1f4e79"
_EVENT: Final = "#fdebd8"
_ODD: Final = "#c2410c"


def png(title: str, subtitle: str, panels: Sequence[Panel]) -> bytes:
    """A PNG of one to four panels, one above the other, 880 pixels wide."""
    height = _PANEL[max(1, min(4, len(panels)))]
    sheet = _Sheet(_WIDTH, _HEAD + len(panels) * (height + _TITLE) + _FOOT)
    sheet.text(_RIGHT, 8, title, 15, _INK, most=_WIDTH - 2 * _RIGHT)
    sheet.text(_RIGHT, 27, subtitle, 11, _FAINT, most=_WIDTH - 2 * _RIGHT)
    times = [panel.time for panel in panels if len(panel.time)]
    if not times:
        sheet.text(_LEFT, _HEAD + 40, "no samples are stored", 12, _FAINT)
        return sheet.encoded()
    start = min(int(time[0]) for time in times)
    end = max(max(int(time[-1]) for time in times), start + 1)
    for number, panel in enumerate(panels):
        top = _HEAD + number * (height + _TITLE) + _TITLE
        _Frame(sheet, panel, top, height, start, end).draw(last=number == len(panels) - 1)
    return sheet.encoded()


class _Sheet:
    """Paper; lengths in pixels as shown."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._image = Image.new("RGB", (width * _FINE, height * _FINE), _PAPER)
        self._pen = ImageDraw.Draw(self._image)

    def text(
        self,
        x: float,
        y: float,
        told: str,
        size: int,
        colour: str,
        *,
        most: float = 1e9,
        anchor: str = "la",
    ) -> None:
        font = _font(size * _FINE)
        told = "".join(c if c.isprintable() else "·" for c in told)
        while told and self._pen.textlength(told, font=font) > most * _FINE:
            told = told[: max(0, len(told) * 9 // 10 - 1)] + "…" if len(told) > 3 else ""
        self._pen.text((x * _FINE, y * _FINE), told, fill=colour, font=font, anchor=anchor)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        fine = [(x * _FINE, y * _FINE) for x, y in points]
        if len(fine) > 1:
            self._pen.line(fine, fill=colour, width=round(width * _FINE), joint="curve")

    def area(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        if len(points) > 2:
            self._pen.polygon([(x * _FINE, y * _FINE) for x, y in points], fill=colour)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: str) -> None:
        self._pen.rectangle([x0 * _FINE, y0 * _FINE, x1 * _FINE, y1 * _FINE], fill=colour)

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        x, y, radius = x * _FINE, y * _FINE, radius * _FINE
        self._pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)

    def encoded(self) -> bytes:
        small = self._image.resize(self._size, Image.Resampling.LANCZOS)
        out = io.BytesIO()
        small.save(out, "PNG", optimize=True)
        return out.getvalue()


class _Frame:
    """One panel on the sheet."""

    def __init__(
        self, sheet: _Sheet, panel: Panel, top: int, height: int, start: int, end: int
    ) -> None:
        self._sheet, self._panel = sheet, _drawable(panel)
        self._top, self._bottom = top, top + height - 8
        self._start, self._end = start, end
        self._low, self._high = _range(self._panel)

    def draw(self, *, last: bool) -> None:
        """All of it, from back to front; the last one has the times under it."""
        for begin, end in self._panel.events:
            x0, x1 = self._x(begin), self._x(end)
            self._sheet.box(x0, self._top, max(x1, x0 + 1.5), self._bottom, _EVENT)
        self._axes(last)
        self._band()
        self._curve(self._panel.expected, _EXPECTED, 1.0)
        self._curve(self._panel.value, _LINE, 1.4)
        self._odd()
        title = f"▸ first: {self._panel.title}" if self._panel.first else self._panel.title
        most = _WIDTH - _LEFT - _RIGHT
        self._sheet.text(_LEFT, self._top - 17, title, 11, _INK, most=most)

    def _x(self, time: float) -> float:
        share = (time - self._start) / (self._end - self._start)
        return float(_LEFT + min(max(share, 0.0), 1.0) * (_WIDTH - _LEFT - _RIGHT))

    def _y(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        return float(self._bottom - min(max(share, 0.0), 1.0) * (self._bottom - self._top))

    def _axes(self, last: bool) -> None:
        for value in round_values(self._low, self._high, 4):
            y = self._y(value)
            self._sheet.line([(_LEFT, y), (_WIDTH - _RIGHT, y)], _GRID, 0.6)
            self._sheet.text(_LEFT - 6, y, told_value(value), 10, _FAINT, anchor="rm")
        for time, told in time_marks(self._start, self._end, 7):
            x = self._x(time)
            self._sheet.line([(x, self._top), (x, self._bottom)], _GRID, 0.6)
            if last and x < _WIDTH - 60:
                self._sheet.text(x, self._bottom + 5, told, 10, _FAINT, anchor="ma")
        if last:
            where = (_WIDTH - _RIGHT, self._bottom + 5)
            self._sheet.text(*where, "UTC", 10, _FAINT, anchor="ra")

    def _band(self) -> None:
        both = np.isfinite(self._panel.lower) & np.isfinite(self._panel.upper)
        for run in _runs(both):
            time, lower, upper = (
                self._panel.time[run],
                self._panel.lower[run],
                self._panel.upper[run],
            )
            above = self._points(time, upper, thinned(time, upper, _WIDTH))
            below = self._points(time, lower, thinned(time, lower, _WIDTH))
            self._sheet.area([*above, *reversed(below)], _BAND)

    def _curve(self, column: Floats, colour: str, width: float) -> None:
        time = self._panel.time
        places = thinned(time, column, _WIDTH)
        self._sheet.line(self._points(time, column, places), colour, width)

    def _odd(self) -> None:
        odd = np.flatnonzero(self._panel.odd & np.isfinite(self._panel.value))
        for place in odd[:: max(1, len(odd) // 500)].tolist():
            x, y = self._x(self._panel.time[place]), self._y(self._panel.value[place])
            self._sheet.dot(x, y, 2.4, _ODD)

    def _points(self, time: Ints, value: Floats, places: Any) -> list[tuple[float, float]]:
        return [(self._x(time[i]), self._y(value[i])) for i in places]


def _range(panel: Panel) -> tuple[float, float]:
    """What the axis of values spans: all values, and the band as far as it is near them."""
    value = panel.value[np.isfinite(panel.value)]
    if not len(value):
        return 0.0, 1.0
    low, high = float(value.min()), float(value.max())
    near = (high - low) or abs(high) or 1.0
    for column in (panel.lower, panel.upper):
        known = column[np.isfinite(column)]
        known = known[(known > low - near) & (known < high + near)]
        if len(known):
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    margin = 0.06 * ((high - low) or abs(high) or 1.0)
    if high - low + margin <= abs(high) * 1e-12 or margin < 1e-300:
        margin = abs(high) * 1e-3 or 1.0
    return low - margin, high + margin


def _drawable(panel: Panel) -> Panel:
    """With numbers whose differences are numbers."""
    columns = {
        name: np.clip(getattr(panel, name), -_LARGEST, _LARGEST)
        for name in ("value", "expected", "lower", "upper")
    }
    return replace(panel, **columns)


def _runs(flags: Any) -> list[slice]:
    """Stretches of places that are set."""
    edges = np.flatnonzero(np.diff(np.r_[0, flags.astype(np.int8), 0]))
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@lru_cache(maxsize=16)
def _font(size: int) -> Any:
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)
