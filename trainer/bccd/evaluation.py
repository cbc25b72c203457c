"""A committee of stained cells on a data set: what is new to it, what is not, and pictures of right and wrong.

Originals that no member has learnt from are judged by all of them. An original that the committee has learnt from, in
files of its own or in others that show it, is judged by the members that have not. The two are told apart, part by
part.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, F32, Bool
from phenostream.trainer.bccd.answers import OnStep, answers
from phenostream.trainer.bccd.feeding import feed
from phenostream.trainer.bccd.judging import Judged, judge
from phenostream.trainer.classifier.checkpoint import Measured
from phenostream.trainer.classifier.committee import Committee
from phenostream.trainer.data.bccd.placing import Placed, place
from phenostream.trainer.data.bccd.register import UNPLACED, Register
from phenostream.trainer.data.bccd.smears import Smears
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings
from phenostream.trainer.evaluation.pictures import png
from phenostream.trainer.evaluation.schema.comparisons import Picture
from phenostream.trainer.evaluation.schema.figure import Closed, Count

PUBLISHED: Final = 0.9377
PUBLISHED_WORDING: Final = (
    "published 0.9377 per picture: 2332 of 2487, which is the TEST folder, on which the published training also picked"
    " its model; TEST is about 71 originals, so that one monocyte original is 155 pictures. No pass mark"
)
_PER_KIND: Final = 8


class EvaluationSettings(Closed):
    """How to judge.

    Attributes:
        seed: Of the intervals.
        resamples: Draws of originals behind an interval.
        threads: Cores for the network.
    """

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1_000
    threads: Annotated[int, Field(ge=1, le=256)] = 1


class PartJudged(Closed):
    """One part of a data set.

    Attributes:
        part: TRAIN, TEST, TEST_SIMPLE, or ALL where there are no parts.
        labels: Pictures per folder.
        unplaced: Files of the committee's data set that may be of any original; not judged.
        unseen: Figures on originals that are new to every member, by all of them; None where there are none.
        crossed: Figures on originals that the committee learnt from, each by the members that have not seen it; None
            where there are none.
        together: Figures on both; None unless there are both.
        wrong: Pictures called wrong, the surest first, one per original as long as there are others.
        right: Pictures called right, drawn evenly over the classes.
    """

    part: str
    labels: dict[str, Count]
    unplaced: Count
    unseen: Judged | None
    crossed: Judged | None
    together: Judged | None
    wrong: tuple[Picture, ...]
    right: tuple[Picture, ...]


class StainedEvaluation(Closed):
    """Everything that `evaluate --dataset bccd` says.

    Attributes:
        model: Name and version.
        root: Where the pictures are.
        read: Pictures that could be read.
        resampled: Of these, how many were of another size than 128 x 128.
        left_out: One line per reason.
        parts: In order of name.
        when_made: Figures of the committee's card.
        published: With what it is.
    """

    model: str
    description: str
    root: str
    read: Count
    resampled: Count
    left_out: tuple[str, ...]
    parts: tuple[PartJudged, ...]
    when_made: tuple[Measured, ...]
    published: str = PUBLISHED_WORDING


@dataclass(frozen=True, slots=True)
class Subject:
    """The committee that is judged, and the register of what it was made from."""

    committee: Committee
    register: Register


def evaluate(
    smears: Smears,
    subject: Subject,
    root: Path,
    settings: EvaluationSettings,
    on_step: OnStep = lambda what, more, total: None,
) -> StainedEvaluation:
    """Judge a committee.

    Raises:
        BadInput: No picture is of a clear original.
    """
    torch.set_num_threads(settings.threads)
    bootstrap = BootstrapSettings(resamples=settings.resamples, seed=settings.seed)
    placed = place(
        smears, subject.register, lambda more: on_step("match originals", more, len(smears))
    )
    rows = np.flatnonzero(placed.fold != UNPLACED)
    if not len(rows):
        raise BadInput(
            f"{root}: {len(smears)} pictures, none of a clear original; nothing to judge"
        )
    card = subject.committee.card
    side = subject.committee.members[0].model.options.crop_px
    pictures = feed(
        smears, rows, placed.original, side, lambda: on_step("cut out cells", 1, len(rows))
    )
    said = np.zeros((len(smears), len(CLASSES)), np.float32)
    crops = np.zeros((len(smears), *pictures.images.shape[1:]), np.uint8)
    said[rows] = answers(
        subject.committee.members, pictures, placed.fold[rows], subject.register.folds, on_step
    )
    crops[rows] = pictures.images
    parts = [
        _part(
            _Part(name, np.array([one == name for one in smears.part]), smears, placed),
            said,
            crops,
            bootstrap,
        )
        for name in sorted(set(smears.part))
    ]
    return StainedEvaluation(
        model=f"{card.name} {card.version}",
        description=card.description,
        root=str(root),
        read=len(smears),
        resampled=smears.resampled,
        left_out=tuple(one.line() for one in smears.left_out),
        parts=tuple(parts),
        when_made=card.metrics,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    inside: Bool
    smears: Smears
    placed: Placed


def _part(part: _Part, said: F32, crops: npt.NDArray[np.uint8], how: BootstrapSettings) -> PartJudged:  # fmt: skip
    unseen = part.inside & part.placed.new
    crossed = part.inside & part.placed.crossed
    judged = unseen | crossed

    def figures(chosen: Bool) -> Judged | None:
        if not chosen.any():
            return None
        return judge(part.smears.kind[chosen], part.placed.original[chosen], said[chosen], how)

    labels = Counter(one for one, here in zip(part.smears.label, part.inside, strict=True) if here)
    right = said.argmax(axis=1) == part.smears.kind
    return PartJudged(
        part=part.name,
        labels=dict(sorted(labels.items())),
        unplaced=int((part.inside & ~judged).sum()),
        unseen=figures(unseen),
        crossed=figures(crossed),
        together=figures(judged) if unseen.any() and crossed.any() else None,
        wrong=_shown(part, _surest(part, np.flatnonzero(judged & ~right), said), said, crops),
        right=_shown(part, _some_of_each(part, np.flatnonzero(judged & right)), said, crops),
    )


def _surest(part: _Part, rows: npt.NDArray[np.intp], said: F32) -> list[int]:
    """The surest of each original first, then the others."""
    order = rows[np.argsort(-said[rows].max(axis=1), kind="stable")]
    _, first = np.unique(part.placed.original[order], return_index=True)
    leading = order[np.sort(first)]
    rest = order[~np.isin(order, leading)]
    return [*leading.tolist(), *rest.tolist()][: 2 * _PER_KIND]


def _some_of_each(part: _Part, rows: npt.NDArray[np.intp]) -> list[int]:
    rng = np.random.default_rng(0)
    chosen: list[int] = []
    for kind in range(len(CLASSES)):
        own = rng.permutation(rows[part.smears.kind[rows] == kind])
        _, first = np.unique(part.placed.original[own], return_index=True)
        chosen += own[np.sort(first)][: _PER_KIND // 2].tolist()
    return chosen


def _shown(
    part: _Part, rows: list[int], said: F32, crops: npt.NDArray[np.uint8]
) -> tuple[Picture, ...]:
    found = []
    for row in rows:
        called = int(said[row].argmax())
        label, name = part.smears.label[row].lower(), CLASSES[called]
        blue_first = np.moveaxis(crops[row], 0, 2)[..., ::-1]
        found.append(
            Picture(
                png_base64=png(np.repeat(np.repeat(blue_first, 2, axis=0), 2, axis=1)),
                alt=f"{label}, called {name}",
                caption=f"{label}, called {name} ({said[row, called]:.2f})",
            )
        )
    return tuple(found)
