"""A figure with its interval as a dot on a bar, small enough for a table cell: inline SVG of nothing but numbers."""

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from phenostream.trainer.evaluation.report.markup import made_here
from phenostream.trainer.evaluation.schema.figure import Figure

_WIDTH: Final = 160
_HEIGHT: Final = 16
_EDGE: Final = 5


@dataclass(frozen=True, slots=True)
class Axis:
    """What the bars of one table column share, so that they compare by eye.

    Attributes:
        low: Value at the left end.
        high: Value at the right end.
        mark: Where a vertical line stands: no skill, or what was promised; None for no line.
    """

    low: float
    high: float
    mark: float | None = None

    def place(self, value: float) -> float:
        """Horizontal place of a value, in px; what lies outside is put at the end."""
        share = (value - self.low) / (self.high - self.low)
        return round(_EDGE + min(1.0, max(0.0, share)) * (_WIDTH - 2 * _EDGE), 1)

    def holds(self, value: float) -> bool:
        """Whether the value lies on the axis."""
        return self.low <= value <= self.high


CORRELATION: Final = Axis(-0.2, 1.0, mark=0.0)
SHARE: Final = Axis(0.0, 1.0)
AUROC: Final = Axis(0.4, 1.0, mark=0.5)
DIFFERENCE: Final = Axis(-0.2, 0.2, mark=0.0)


def coverage_axis(nominal: float) -> Axis:
    """Around what was promised, wide enough to show a shortfall."""
    return Axis(min(0.6, nominal - 0.1), 1.0, mark=nominal)


def glyph(figure: Figure | None, axis: Axis, kind: str = "model") -> Markup:
    """The figure on its axis; nothing where there is none.

    Args:
        figure: A value outside the axis is drawn hollow at its end.
        axis: Of the column.
        kind: ``model`` or ``baseline``: filled in the page's ink, or in grey.
    """
    if figure is None:
        return Markup()
    parts = [_line(_EDGE, _WIDTH - _EDGE, "axis")]
    if axis.mark is not None:
        at = axis.place(axis.mark)
        parts.append(f'<line class="mark" x1="{at}" x2="{at}" y1="1" y2="{_HEIGHT - 1}"/>')
    if figure.low is not None and figure.high is not None:
        parts.append(_line(axis.place(figure.low), axis.place(figure.high), "range"))
    outside = "" if axis.holds(figure.value) else " outside"
    parts.append(
        f'<circle class="dot{outside}" cx="{axis.place(figure.value)}" cy="{_HEIGHT / 2}" r="3.5"/>'
    )
    # The numbers stand in the next cell: a reader without eyes is not told them twice.
    return made_here(
        f'<svg class="glyph {"baseline" if kind == "baseline" else "model"}" aria-hidden="true" '
        f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">{"".join(parts)}</svg>'
    )  # fmt: skip


def _line(start: float, stop: float, name: str) -> str:
    y = _HEIGHT / 2
    return f'<line class="{name}" x1="{start}" x2="{stop}" y1="{y}" y2="{y}"/>'
