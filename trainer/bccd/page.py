"""The page of an evaluation on stained cells: figures with intervals, and pictures of right and wrong cells."""

from pathlib import Path
from typing import Final

from phenostream.trainer.bccd.evaluation import StainedEvaluation
from phenostream.trainer.evaluation.report.environment import environment
from phenostream.trainer.evaluation.report.files import NUMBERS, PAGE
from phenostream.trainer.evaluation.report.frame import page
from phenostream.trainer.evaluation.report.markup import made_here
from phenostream.trainer.written_whole import write_whole

_TITLE: Final = "White cells on stained smears"
_SUBTITLE: Final = (
    "Networks for single stained cells; each judges only originals that it has not seen. Pictures of one original are"
    " not independent: every interval is from resampling originals, not pictures or fields."
)


def write_page(found: StainedEvaluation, folder: Path) -> dict[str, Path]:
    """Write the numbers as JSON, then the page. Returns their paths under ``json`` and ``html``.

    Raises:
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {"json": folder / NUMBERS, "html": folder / PAGE}
    write_whole(paths["json"], (found.model_dump_json(indent=1) + "\n").encode())
    write_whole(paths["html"], render(found).encode())
    return paths


def render(found: StainedEvaluation) -> str:
    """The whole page."""
    body = environment().get_template("stained.html").render(it=found)
    return page(
        title=_TITLE,
        subtitle=_SUBTITLE,
        synthetic="",
        contents=[("data", "Data"), *((part.part, part.part) for part in found.parts), ("made", "When it was made")],
        body=made_here(body),
    )  # fmt: skip
