"""Drawings that the page's sections share: pictures in a grid, and curves of several pools with their ranges."""

from typing import Final

import numpy as np
from markupsafe import Markup

from phenostream.engine.types import U8
from phenostream.trainer.evaluation.report.drawing import CLASS_COLOURS, GREY, INK, as_svg, canvas
from phenostream.trainer.likeness.comparison import Spread

COLUMNS: Final = 12
_GAP_PX: Final = 2


def grid(pictures: list[U8], columns: int = COLUMNS) -> U8:
    """Pictures of one size in rows, white lines between them."""
    height, width = pictures[0].shape
    rows = -(-len(pictures) // columns)
    shape = rows * (height + _GAP_PX) - _GAP_PX, columns * (width + _GAP_PX) - _GAP_PX
    out = np.full(shape, 255, np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = row * (height + _GAP_PX), column * (width + _GAP_PX)
        out[top : top + height, left : left + width] = picture
    return out


def curve(
    x: tuple[float, ...], pools: dict[str, tuple[Spread, ...]], labels: tuple[str, str, str]
) -> Markup:
    """Median and range of each pool by x.

    Args:
        x: Of every point.
        pools: By name; the first is drawn in ink.
        labels: Name of the drawing on the page, then of the axes.
    """
    name, across, up = labels
    colours = (INK, CLASS_COLOURS[1], CLASS_COLOURS[0], CLASS_COLOURS[2])
    with canvas(430, 300) as (figure, axes):
        for (pool, spreads), colour in zip(pools.items(), colours, strict=False):
            low, high = [one.low for one in spreads], [one.high for one in spreads]
            axes.fill_between(x, low, high, color=colour, alpha=0.14, lw=0)
            axes.plot(x, [one.median for one in spreads], color=colour, lw=1.8, label=pool)
        axes.axhline(0, color=GREY, lw=0.6)
        axes.set(xlabel=across, ylabel=up)
        axes.legend(loc="best")
        said = "; ".join(
            f"{pool}: {', '.join(f'{one.median:.2f}' for one in spreads)}"
            for pool, spreads in pools.items()
        )
        places = ", ".join(f"{at:g}" for at in x)
        return as_svg(figure, name, f"{up} by {across}, medians. At {places}. {said}")
