"""The page of a likeness study: cells to tell apart, both pools, every statistic, and the phase.

Knows how it looks; measures nothing. The same study gives the same bytes, and nothing on the page points outside it.
"""

from typing import Final

import numpy as np
from markupsafe import Markup

from phenostream.engine.types import U8
from phenostream.trainer.evaluation.pictures import png
from phenostream.trainer.evaluation.report.environment import environment
from phenostream.trainer.evaluation.report.frame import page
from phenostream.trainer.evaluation.report.markup import made_here
from phenostream.trainer.likeness.comparison import CurveRow
from phenostream.trainer.likeness.figures import COLUMNS, curve, grid
from phenostream.trainer.likeness.phase_page import phase_section
from phenostream.trainer.likeness.study import Likeness, PhaseStudy

_MIXED: Final = 24
"""Cells of each pool in the grid that asks which is which."""
_POOL: Final = 60
EXPLAINED: Final = {
    "diameter_um": "apparent diameter, µm",
    "background_level": "background, share of the range",
    "background_sd": "background, sd",
    "background_fine_sd": "background, sd of what is fine (0.2 to 0.4 µm)",
    "background_slope": "background, sd of the fitted plane",
    "fine_contrast": "inner half of the cell, sd of what is fine (0.2 to 0.4 µm)",
    "coarse_contrast": "inner half of the cell, sd of what is coarse (0.6 to 1.2 µm)",
    "edge_contrast": "outer half of the cell, sd of what is fine",
    "asymmetry": "share of the cell's contrast that is brighter than the background",
    "dipole": "right half minus left half",
}
"""What each of `statistics.SCALARS` is, for the page and the terminal."""
_CURVES: Final = {
    "profile": ("Mean by distance from the middle, minus the background", "µm", "grey levels"),
    "spread": ("Sd at that distance", "µm", "grey levels"),
    "spectrum": ("Power spectrum about the cell", "cycles/µm", "log10 of grey² µm²"),
    "background_spectrum": ("Power spectrum of the corners", "cycles/µm", "log10 of grey² µm²"),
}
_NOTICE: Final = (
    "Real cells: 128 pixels of 0.2 µm (assumed) a side, one shot each, recovered from published figures, where each "
    "was stretched to 8 bit: level and gain are lost, so nothing here compares absolute brightness. Ranges are the "
    "10th to 90th percentile of the cells; the interval of the AUC is 95 %, resampled by picture. Preset hard was "
    "fitted to the statistics of these public cells, without their classes: that the medians agree was made, not found."
)


def render(likeness: Likeness, phase: PhaseStudy | None) -> str:
    """The whole page.

    Args:
        likeness: Of the pictures.
        phase: Of measured phase maps, where there were any.
    """
    rng = np.random.default_rng(likeness.plan.seed)
    real, synthetic = _shuffled(likeness.real, rng), _shuffled(likeness.synthetic, rng)
    told = [(one, "R") for one in real[:_MIXED]] + [(one, "s") for one in synthetic[:_MIXED]]
    mixed = [told[index] for index in rng.permutation(len(told))]
    it = {
        "found": likeness.comparison,
        "preset": likeness.plan.preset,
        "sizes": likeness.sizes,
        "explained": EXPLAINED,
        "statistics": _count(likeness),
        "shown_real": min(_MIXED, len(real)),
        "shown_synthetic": min(_MIXED, len(synthetic)),
        "mixed_png": png(grid([one for one, _ in mixed])),
        "answer": _in_rows("".join(name for _, name in mixed)),
        "real_png": png(grid(real[:_POOL])),
        "synthetic_png": png(grid(synthetic[:_POOL])),
        "curves": [(_curve(row), _CURVES[row.name][0]) for row in likeness.comparison.curves],
        "phase": None if phase is None else phase_section(phase, likeness.plan),
    }
    body = environment().get_template("likeness.html").render(it=it)
    sections = ("apart", "Tell apart"), ("pools", "Pools"), ("statistics", "Statistics")
    return page(
        title=f"Real and simulated cells, preset {likeness.plan.preset}",
        subtitle="How like real cells in DPC the simulator's are, by one measure on both.",
        synthetic="Every picture that is not said to be real is simulated.",
        contents=[*sections, ("sizes", "Sizes"), ("phase", "Phase")],
        body=made_here(body),
        notice=_NOTICE,
    )


def _curve(row: CurveRow) -> Markup:
    _, across, up = _CURVES[row.name]
    pools = {"real": row.real, "synthetic": row.synthetic}
    return curve(row.x, pools, (row.name.replace("_", "-"), across, up))


def _count(likeness: Likeness) -> int:
    """Statistics that the model which tells the pools apart has."""
    found = likeness.comparison
    return len(found.rows) + sum(len(row.x) for row in found.curves)


def _shuffled(pictures: list[U8], rng: np.random.Generator) -> list[U8]:
    return [pictures[index] for index in rng.permutation(len(pictures))]


def _in_rows(text: str) -> str:
    return " / ".join(text[at : at + COLUMNS] for at in range(0, len(text), COLUMNS))
