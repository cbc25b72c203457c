"""The page of a model judged on published pictures of real cells: tables, and every cell as it was seen.

One self-contained file beside the JSON of the same numbers. Pictures are those of the folder, turned as the model sees
them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from phenostream.engine.types import CLASSES, U8
from phenostream.trainer.data.bsccm_figures import FigureCells
from phenostream.trainer.evaluation.pictures import png
from phenostream.trainer.evaluation.report.environment import environment
from phenostream.trainer.evaluation.report.frame import page
from phenostream.trainer.evaluation.report.markup import made_here
from phenostream.trainer.single_shot.figures import ADAPTED, REJECTED_ABOVE, STRICT
from phenostream.trainer.single_shot.pictures import KEPT_PX
from phenostream.trainer.single_shot.schema import FiguresReport, JudgedCell
from phenostream.trainer.written_whole import write_whole

NUMBERS: Final = "figures.json"
PAGE: Final = "figures.html"


@dataclass(frozen=True, slots=True)
class ShownCell:
    """One cell of the gallery.

    Attributes:
        png_base64: Its picture.
        alt: What it shows, for who does not see it.
        caption: What each way calls it.
    """

    png_base64: str
    alt: str
    caption: str


def write_page(report: FiguresReport, cells: FigureCells, folder: Path) -> Path:
    """Write the numbers, then the page; returns the page's path.

    Raises:
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / NUMBERS, (report.model_dump_json(indent=1) + "\n").encode())
    write_whole(folder / PAGE, render_page(report, cells).encode())
    return folder / PAGE


def render_page(report: FiguresReport, cells: FigureCells) -> str:
    """The whole page.

    Args:
        report: Of these cells.
        cells: With their pictures, in the order of the report.
    """
    shown: dict[str, list[ShownCell]] = {}
    for one, image in zip(report.cells, cells.images, strict=True):
        shown.setdefault(_heading(one), []).append(_shown(one, image))
    body = environment().get_template("single_shot.html").render(
        it=report, shown={name: shown[name] for name in sorted(shown)}
    )  # fmt: skip
    return page(
        title=f"{report.model.name} on real cells from published figures",
        subtitle="One DPC shot of each cell; the labels are gates of BSCCM.",
        synthetic="",
        contents=[("figures", "Figures"), ("cells", "Cells")],
        body=made_here(body),
    )


def _heading(cell: JudgedCell) -> str:
    if cell.label not in CLASSES:
        return f"4 {cell.label}: no class to be right about"
    right = [_called(cell, way) == cell.label for way in (STRICT, ADAPTED)]
    if all(right):
        return "1 right, strict and adapted"
    if not any(right):
        return "3 wrong, strict and adapted"
    return "2 right in one way only"


def _shown(cell: JudgedCell, image: U8) -> ShownCell:
    margin = (len(image) - KEPT_PX) // 2
    middle = np.ascontiguousarray(image[margin:-margin, margin:-margin])
    said = "; ".join(f"{way} {_words(cell, way)}" for way in (STRICT, ADAPTED))
    return ShownCell(
        png(middle), f"{cell.name}, {cell.label}", f"{cell.name}, {cell.label}: {said}"
    )


def _words(cell: JudgedCell, way: str) -> str:
    sure = max(cell.probability[way])
    rejected = ", rejected" if cell.reject_probability[way] > REJECTED_ABOVE else ""
    return f"{_called(cell, way)} {sure:.2f}{rejected}"


def _called(cell: JudgedCell, way: str) -> str:
    return CLASSES[int(np.argmax(cell.probability[way]))]
