"""The score on smear fields as a page with pictures: what was missed, what nobody marked, and some that are right.

One self-contained HTML file, and the same figures as JSON beside it. Which fields are shown is a rule, not a choice.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from phenostream.deploy.bench.field_pictures import Field, read_field
from phenostream.deploy.bench.fields import FieldOutcome, FieldsScore
from phenostream.engine.errors import BadInput
from phenostream.engine.types import F32, U8
from phenostream.trainer.evaluation.report.environment import environment
from phenostream.trainer.evaluation.report.frame import page
from phenostream.trainer.evaluation.report.markup import made_here
from phenostream.trainer.written_whole import write_whole

PAGE: Final = "fields.html"
NUMBERS: Final = "fields.json"
_MOST_WRONG: Final = 60
_RIGHT: Final = 6
_WIDTH: Final = 480
_JPEG_QUALITY: Final = 80
_GREEN, _WHITE, _RED, _YELLOW = (0, 170, 0), (255, 255, 255), (225, 0, 0), (255, 215, 0)


@dataclass(frozen=True, slots=True)
class FieldPicture:
    """One field with its boxes drawn, for the page."""

    jpeg_base64: str
    caption: str


def write_page(score: FieldsScore, folder: Path) -> Path:
    """Write page and JSON.

    Args:
        score: Of fields that are still where they were read.
        folder: Made if it is not there.

    Returns:
        The page.

    Raises:
        BadInput: The folder or a file in it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        numbers = json.dumps(score.as_dict(), indent=1, allow_nan=False) + "\n"
        write_whole(folder / NUMBERS, numbers.encode())
        write_whole(folder / PAGE, rendered(score).encode())
    except OSError as err:
        raise BadInput(f"{err.filename or folder}: {err.strerror}") from err
    return folder / PAGE


def rendered(score: FieldsScore) -> str:
    """The page's text."""
    wrong = [one for one in score.outcomes if one.wrong]
    right = [one for one in score.outcomes if not one.wrong]
    every = max(1, len(right) // _RIGHT)
    body = environment().get_template("fields.html").render(
        it=score,
        wrong=_pictures(wrong[:_MOST_WRONG]),
        wrong_total=len(wrong),
        right=_pictures(right[::every][:_RIGHT]),
        right_total=len(right),
    )  # fmt: skip
    return page(
        title="White cells on stained smears",
        subtitle=f"The detector of stained cells on {len(score.outcomes)} fields with boxes.",
        synthetic="",
        contents=[
            ("figures", "Figures"),
            ("wrong", "What goes wrong"),
            ("right", "Without a fault"),
            ("notes", "Left out, and notes"),
        ],
        body=made_here(body),
    )


def drawn(picture: U8, outcome: FieldOutcome) -> U8:
    """A field with its boxes: marked cells, finds, and on top what is wrong of both."""
    canvas = picture.copy()
    thin = max(1, picture.shape[1] // 240)
    for boxes, colour, width in (
        (outcome.marked[outcome.hit], _GREEN, thin),
        (outcome.found[outcome.right], _WHITE, thin),
        (outcome.marked[~outcome.hit], _YELLOW, 2 * thin),
        (outcome.found[~outcome.right], _RED, 2 * thin),
    ):
        _draw(canvas, boxes, colour, width)
    return canvas


def _draw(canvas: U8, boxes: F32, colour: tuple[int, int, int], width: int) -> None:
    for left, top, right, bottom in boxes.round().astype(int).tolist():
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, width)


def _pictures(outcomes: Sequence[FieldOutcome]) -> list[FieldPicture]:
    made = []
    for one in outcomes:
        field = read_field(one.annotation)
        if isinstance(field, Field):
            made.append(FieldPicture(_jpeg(drawn(field.picture, one)), _caption(one)))
    return made


def _jpeg(picture: U8) -> str:
    height = max(1, round(picture.shape[0] * _WIDTH / picture.shape[1]))
    small = cv2.resize(picture, (_WIDTH, height), interpolation=cv2.INTER_AREA)
    ordered = np.ascontiguousarray(small[..., ::-1])
    _, content = cv2.imencode(".jpg", ordered, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return base64.b64encode(content.tobytes()).decode()


def _caption(one: FieldOutcome) -> str:
    missed, false = int((~one.hit).sum()), int((~one.right).sum())
    said = [f"{one.name}: {len(one.marked)} marked, {len(one.found)} found"]
    if missed:
        best = ", ".join(f"{share:.2f}" for share in one.covered[~one.hit])
        said.append(f"{missed} missed (best overlap {best})")
    if false:
        said.append(f"{false} false")
    said += [f"marked there: {name}" for name in one.taken_for if name]
    return ", ".join(said)
