"""The roofline as a picture: operations per second over operations per byte, both in decades, as one SVG file.

Lines are what the box can do, each backend is a bar: its height is what it does, its ends are the intensities at
unfused and at least bytes. Text and numbers only; nothing in the file is fetched or run.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from phenostream.deploy.bench.ceilings import MEMORY
from phenostream.deploy.bench.roofline import Place, Roof, Roofline
from phenostream.engine.errors import BadInput

_WIDTH, _HEIGHT = 920, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 250, 30, 60
_LINE_PX: Final = 14
_INK, _GRID = "#222222", "#dddddd"
_COLOURS: Final = ("#1f5fa8", "#b3541e", "#3b7d3b", "#7a3f94", "#a8821f", "#277f86", "#a02c4a")


@dataclass(frozen=True, slots=True)
class _Axes:
    """Decades of both axes, and where a value lies in the picture."""

    x_from: int
    x_to: int
    y_from: int
    y_to: int

    def x(self, intensity: float) -> float:
        share = (math.log10(intensity) - self.x_from) / (self.x_to - self.x_from)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, per_s: float) -> float:
        share = (math.log10(per_s) - self.y_from) / (self.y_to - self.y_from)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def write_picture(path: Path, found: Roofline) -> None:
    """Draw it.

    Raises:
        BadInput: The file cannot be written, or nothing was measured.
    """
    if not found.places:
        raise BadInput(f"{path}: no backend was measured, so there is nothing to draw")
    try:
        path.write_text(drawn(found), encoding="utf-8")
    except OSError as err:
        raise BadInput(f"{path}: {err.strerror}") from err


def drawn(found: Roofline) -> str:
    """The SVG; the same figures give the same text."""
    axes = _axes(found)
    memory = [roof for roof in found.roofs if roof.unit == "bytes"]
    matrix = [roof for roof in found.roofs if roof.unit == "operations"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12" fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *_grid(axes),
    ]
    lowest = 0.0
    for number, roof in enumerate(sorted(matrix, key=lambda roof: -roof.per_s.median)):
        lowest = max(axes.y(roof.per_s.median), lowest + _LINE_PX)  # no words over other words
        parts += _matrix_roof(axes, roof, memory, (number, lowest))
    for roof in memory:
        parts += _memory_roof(axes, roof, matrix)
    for number, place in enumerate(found.places):
        parts += _bar(axes, place, number)
    return "\n".join([*parts, "</svg>\n"])


def _axes(found: Roofline) -> _Axes:
    intensities = [end for place in found.places for end in place.intensity]
    speeds = [place.operations_per_s for place in found.places]
    speeds += [roof.per_s.median for roof in found.roofs if roof.unit == "operations"]
    return _Axes(
        0,
        max(math.ceil(math.log10(max(intensities))), 1),
        math.floor(math.log10(min(speeds))),
        math.floor(math.log10(max(speeds))) + 1,
    )


def _grid(axes: _Axes) -> list[str]:
    top, bottom, left, right = _TOP, _HEIGHT - _BOTTOM, _LEFT, _WIDTH - _RIGHT
    parts = []
    for decade in range(axes.x_from, axes.x_to + 1):
        x = axes.x(10.0**decade)
        parts.append(_line(x, top, x, bottom, _GRID))
        parts.append(_text(x, bottom + 18, f"{10**decade:,}", "middle"))
    for decade in range(axes.y_from, axes.y_to + 1):
        y = axes.y(10.0**decade)
        parts.append(_line(left, y, right, y, _GRID))
        parts.append(_text(left - 8, y + 4, _per_s(10.0**decade), "end"))
    parts.append(_text((left + right) / 2, bottom + 44, "operations per byte", "middle"))
    parts.append(
        f'<text transform="translate(18 {(top + bottom) / 2:.0f}) rotate(-90)" '
        f'text-anchor="middle">operations per second</text>'
    )
    return parts


def _matrix_roof(
    axes: _Axes, roof: Roof, memory: list[Roof], place: tuple[int, float]
) -> list[str]:
    """Level, from where its device's memory would allow it; `place` is its number, and the height of its words."""
    speed, right = roof.per_s.median, _WIDTH - _RIGHT
    device = roof.label.split()[0]
    slopes = [one.per_s.median for one in memory if one.label.split()[0] == device]
    begins = axes.x(max(speed / slopes[0], 10.0**axes.x_from)) if slopes else _LEFT
    y, colour = axes.y(speed), _COLOURS[place[0] % len(_COLOURS)]
    words = f"{roof.label}: {_per_s(speed)}"
    line = _line(min(begins, right), y, right, y, colour, 2)
    return [line, _text(right + 8, place[1] + 4, words)]


def _memory_roof(axes: _Axes, roof: Roof, matrix: list[Roof]) -> list[str]:
    """The slope, up to the highest ceiling of its device."""
    speed, device = roof.per_s.median, roof.label.split()[0]
    highest = [one.per_s.median for one in matrix if one.label.split()[0] == device]
    most = min(10.0**axes.x_to, max(highest) / speed) if highest else 10.0**axes.x_to
    least = max(10.0**axes.x_from, 10.0**axes.y_from / speed)
    if most <= least:
        return []
    x, y = axes.x(least), axes.y(least * speed)
    words = f"{device} {MEMORY}: {speed / 1e9:,.1f} GB/s"
    return [
        _line(x, y, axes.x(most), axes.y(most * speed), _INK, 2),
        _text(x + 24, max(y - 6, _TOP + 12), words),
    ]


def _bar(axes: _Axes, place: Place, number: int) -> list[str]:
    y = axes.y(place.operations_per_s)
    low, high = (axes.x(max(end, 10.0**axes.x_from)) for end in place.intensity)
    share = "" if place.of_matrix is None else f" ({place.of_matrix.median:.0%})"
    line = _TOP + 300 + 15 * number
    words = f"{number + 1} {place.label}: {_per_s(place.operations_per_s)}{share}"
    return [
        f'<rect x="{low:.1f}" y="{y - 3:.1f}" width="{high - low:.1f}" height="6" '
        f'fill="{_COLOURS[number % len(_COLOURS)]}" fill-opacity="0.55"/>',
        _text(high + 4 + 14 * (number % 3), y + 4, str(number + 1)),
        f'<text x="{_WIDTH - _RIGHT + 8}" y="{line}" font-size="10">{escape(words)}</text>',
    ]


def _per_s(value: float) -> str:
    power = min(max(int(math.log10(value)) // 3, 3), 5)
    return f"{value / 10 ** (3 * power):,.3g} {'GTP'[power - 3]}op/s"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
