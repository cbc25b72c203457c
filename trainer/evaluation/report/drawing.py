"""From matplotlib to SVG inside a page: the same bytes for the same numbers, no scripts, no links, no outside fonts."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

from phenostream.trainer.evaluation.report.markup import made_here

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

INK: Final = "#1f2328"
GREY: Final = "#6b7280"
FAINT: Final = "#d5d9de"
CLASS_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73")
"""Okabe and Ito: told apart with any kind of colour vision; shapes and dashes repeat what the colours say."""
CLASS_SHAPES: Final = ("o", "s", "^")
CLASS_DASHES: Final = ("-", "--", "-.")

_EDGE: Final = 10
"""Room to the right of the axes and above them, px."""

_RC: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "phenostream",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "figure.dpi": 72,
    "path.simplify": True,
}
_NOT_NEEDED: Final = re.compile(
    r'<metadata>.*?</metadata>|<!--.*?-->| xmlns(:\w+)?="[^"]*"| version="1.1"', re.DOTALL
)
_GROUP_NAME: Final = re.compile(r'<g id="[^"]*">')
_FONT: Final = re.compile(r"font(-family)?: ?((?:\d[\d.]*px )?)'DejaVu Sans'[^;\"]*")
_SIZE: Final = re.compile(r'(<svg [^>]*?)width="([\d.]+)pt" height="([\d.]+)pt"')
_ID: Final = re.compile(r'(id="|href="#|url\(#)([\w-]+)')


@contextmanager
def canvas(width: float, height: float, margin: float = 50) -> Iterator[tuple["Canvas", "Axes"]]:
    """One set of axes on a canvas, in the page's style.

    Args:
        width: Of the canvas, px.
        height: Likewise.
        margin: Left of the axes and below them, px: room for numbers and labels.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(width / 72, height / 72))
        FigureCanvasSVG(figure)
        inside = (width - margin - _EDGE, height - margin - _EDGE)
        box = (margin / width, margin / height, inside[0] / width, inside[1] / height)
        yield figure, figure.add_axes(box)


def as_svg(figure: "Canvas", name: str, alt: str) -> Markup:
    """The drawing as an element of the page; to be called while its canvas is open.

    Args:
        figure: What was drawn.
        name: Of ours, no other drawing on the page has it: its parts are called after it.
        alt: What it shows, with its numbers, for who cannot see it.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = _NOT_NEEDED.sub("", text[text.index("<svg") :])
    text = _GROUP_NAME.sub("<g>", text).replace("xlink:href", "href")
    text = _FONT.sub(_own_font, text)
    text = _SIZE.sub(
        lambda found: (
            f'{found[1]}class="drawing" role="img" aria-label="{escape(alt)}" '
            f'style="max-width:{float(found[2]):.0f}px"'
        ),
        text,
        count=1,
    )
    text = _ID.sub(lambda found: f"{found[1]}{name}-{found[2]}", text)
    return made_here(re.sub(r">\s+<", "><", text).strip())


def _own_font(found: re.Match[str]) -> str:
    """The font of the page, at the size that was laid out."""
    size = found[2].strip()
    return f"font-size: {size}" if size else "font-style: normal"
