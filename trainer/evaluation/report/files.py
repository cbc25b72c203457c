"""The files of one report: the complete numbers as JSON, the page, and the summary; each whole or not there."""

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from phenostream.engine.errors import BadInput
from phenostream.trainer.evaluation.report.page import Document, render
from phenostream.trainer.evaluation.report.summary import summary
from phenostream.trainer.evaluation.schema.document import Evaluation
from phenostream.trainer.evaluation.schema.reproduction import Reproduction
from phenostream.trainer.written_whole import write_whole

NUMBERS: Final = "report.json"
PAGE: Final = "report.html"
SUMMARY: Final = "report.md"
_LARGEST: Final = 256 << 20


def write_report(document: Document, folder: Path) -> dict[str, Path]:
    """Write the three files, the page and the summary last.

    Args:
        document: Written complete and unrounded.
        folder: Made if it is not there; files of an earlier report are replaced.

    Returns:
        Paths under ``json``, ``html`` and ``markdown``.

    Raises:
        OSError: A file cannot be written; what was there before is there still.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {"json": folder / NUMBERS, "html": folder / PAGE, "markdown": folder / SUMMARY}
    write_whole(paths["json"], (document.model_dump_json(indent=1) + "\n").encode())
    write_whole(paths["html"], render(document).encode())
    write_whole(paths["markdown"], summary(document).encode())
    return paths


def read_report(path: Path) -> Document:
    """A document as it was written, by its file or by its folder.

    Raises:
        BadInput: There is none, or it is of another schema.
    """
    file = path / NUMBERS if path.is_dir() else path
    try:
        if file.stat().st_size > _LARGEST:
            raise BadInput(f"{file}: {file.stat().st_size} bytes, allowed {_LARGEST}")
        text = file.read_bytes()
    except OSError as err:
        raise BadInput(f"{file}: no report to read ({err.strerror or err})") from err
    schema = Reproduction if b'"evaluations"' in text else Evaluation
    try:
        return schema.model_validate_json(text)
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(f"{file}: not a report: {where}: {first['msg']}") from err
