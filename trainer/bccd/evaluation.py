"""A classifier of stained cells on a data set: what is new to it, what is not, and pictures of right and wrong.

The headline is on originals that the model has neither learnt from nor been chosen on, part by part. Files that it
learnt from are counted and not judged. Other files that show such an original are judged apart.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, F32, Bool
from phenostream.trainer.bccd.feeding import feed
from phenostream.trainer.bccd.judging import Judged, judge
from phenostream.trainer.bccd.recipe import views
from phenostream.trainer.classifier.checkpoint import Measured, PictureCheckpoint
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.data.bccd.placing import Placed, place
from phenostream.trainer.data.bccd.register import UNPLACED, Register
from phenostream.trainer.data.bccd.smears import Smears
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings
from phenostream.trainer.evaluation.pictures import png
from phenostream.trainer.evaluation.schema.comparisons import Picture
from phenostream.trainer.evaluation.schema.figure import Closed, Count
from phenostream.trainer.training.precision import Asked, choose

PUBLISHED: Final = 0.9377
PUBLISHED_WORDING: Final = (
    "published 0.9377 per picture: 2332 of 2487, which is the TEST folder, on which the published training also picked"
    " its model; TEST is about 71 originals, so that one monocyte original is 155 pictures. No pass mark"
)
_PER_KIND: Final = 8
_AT_ONCE: Final = 128
OnStep = Callable[[str, int, int], None]
"""Is told what is being done, how many more are done, and how many there are in all."""


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
        learnt_from: Files that the model was trained or chosen on; not judged.
        unplaced: Files of the same data set that may be of any original, so that they are neither; not judged.
        unseen: Figures on originals that are new to the model; None where there are none.
        recognised: Figures on other files that show an original that it learnt from; None where there are none.
        together: Figures on both; None unless there are both.
        wrong: Unseen pictures called wrong, the surest first, one per original as long as there are others.
        right: Unseen pictures called right, drawn evenly over the classes.
    """

    part: str
    labels: dict[str, Count]
    learnt_from: Count
    unplaced: Count
    unseen: Judged | None
    recognised: Judged | None
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
        when_made: Figures of the model's card.
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
    """The model that is judged, and the register of what it was made from."""

    checkpoint: PictureCheckpoint
    register: Register


def evaluate(
    smears: Smears,
    subject: Subject,
    root: Path,
    settings: EvaluationSettings,
    on_step: OnStep = lambda what, more, total: None,
) -> StainedEvaluation:
    """Judge a model.

    Raises:
        BadInput: The model has learnt from every file there is.
    """
    torch.set_num_threads(settings.threads)
    bootstrap = BootstrapSettings(resamples=settings.resamples, seed=settings.seed)
    placed = place(
        smears, subject.register, lambda more: on_step("match originals", more, len(smears))
    )
    rows = np.flatnonzero(placed.unseen | ~placed.by_hash)
    if not len(rows):
        raise BadInput(
            f"{root}: {len(smears)} pictures, and the model has learnt from each of these files; nothing to judge"
        )
    side = subject.checkpoint.card.settings.network.crop_px
    pictures = feed(
        smears, rows, placed.original, side, lambda: on_step("cut out cells", 1, len(rows))
    )
    probability = predicted(subject.checkpoint, pictures, on_step)
    said = np.zeros((len(smears), len(CLASSES)), np.float32)
    crops = np.zeros((len(smears), *pictures.images.shape[1:]), np.uint8)
    said[rows], crops[rows] = probability, pictures.images
    parts = [
        _part(
            _Part(name, np.array([one == name for one in smears.part]), smears, placed),
            said,
            crops,
            bootstrap,
        )
        for name in sorted(set(smears.part))
    ]
    card = subject.checkpoint.card
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


def predicted(checkpoint: PictureCheckpoint, pictures: Pictures, on_step: OnStep) -> F32:
    """Calibrated probabilities (N, 3), the mean opinion on all views."""
    asked: Asked = checkpoint.card.settings
    narrow = choose(asked).narrow
    parts = []
    for start in range(0, len(pictures), _AT_ONCE):
        some = pictures.select(np.arange(start, min(start + _AT_ONCE, len(pictures))))
        parts.append(checkpoint.model.predict(some, views(), narrow).probability)
        on_step("classify", len(some), len(pictures))
    return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    inside: Bool
    smears: Smears
    placed: Placed


def _part(part: _Part, said: F32, crops: npt.NDArray[np.uint8], how: BootstrapSettings) -> PartJudged:  # fmt: skip
    unseen = part.inside & part.placed.unseen
    recognised = part.inside & ~part.placed.unseen & ~part.placed.by_hash
    not_judged = part.inside & ~part.placed.unseen & part.placed.by_hash
    stray = part.placed.slice == UNPLACED

    def figures(chosen: Bool) -> Judged | None:
        if not chosen.any():
            return None
        return judge(part.smears.kind[chosen], part.placed.original[chosen], said[chosen], how)

    both = unseen.any() and recognised.any()
    labels = Counter(one for one, here in zip(part.smears.label, part.inside, strict=True) if here)
    right = said.argmax(axis=1) == part.smears.kind
    return PartJudged(
        part=part.name,
        labels=dict(sorted(labels.items())),
        learnt_from=int((not_judged & ~stray).sum()),
        unplaced=int((not_judged & stray).sum()),
        unseen=figures(unseen),
        recognised=figures(recognised),
        together=figures(unseen | recognised) if both else None,
        wrong=_shown(part, _surest(part, np.flatnonzero(unseen & ~right), said), said, crops),
        right=_shown(part, _some_of_each(part, np.flatnonzero(unseen & right)), said, crops),
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
