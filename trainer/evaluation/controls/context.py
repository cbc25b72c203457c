"""What stands beside a model's figures, as a table of contents: baselines, controls, ablations, gallery.

Everything is made from the same split and drawn with the same seed, so that the same call gives the same document. Most
of the time goes into the short trainings, which `ContextSettings.budget` bounds.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from phenostream.engine.types import Outputs
from phenostream.trainer.evaluation.controls.ablations import (
    FULL,
    SHAPES,
    judge_ablations,
    train_ablations,
)
from phenostream.trainer.evaluation.controls.baselines import SimpleAnswer, baseline_answers
from phenostream.trainer.evaluation.controls.brief_fit import BriefAnswer, Budget
from phenostream.trainer.evaluation.controls.controls import (
    brightness_only,
    position_only,
    shuffled_targets,
)
from phenostream.trainer.evaluation.controls.judge import Judge
from phenostream.trainer.evaluation.controls.shot_controls import channels_permuted, flips_unswapped
from phenostream.trainer.evaluation.data import EvaluationData
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings
from phenostream.trainer.evaluation.gallery import gallery_cells, typical_rows
from phenostream.trainer.evaluation.gradients import gradient_pictures
from phenostream.trainer.evaluation.schema.comparisons import Baseline, Control, Gallery, Picture
from phenostream.trainer.evaluation.schema.document import Evaluation
from phenostream.trainer.evaluation.schema.figure import Closed
from phenostream.trainer.evaluation.served import serve
from phenostream.trainer.evaluation.subject import Subject

_MOST_ASKED: Final = 1_500


class ContextSettings(Closed):
    """How much is done.

    Attributes:
        bootstrap: As of the evaluation, so that intervals are drawn alike.
        budget: Of every short training; its seed is that of everything else here too.
        shapes: Names of the ablations to train (`ablations.SHAPES`); the whole network is, whatever they are.
    """

    bootstrap: BootstrapSettings
    budget: Budget = Budget()
    shapes: tuple[str, ...] = tuple(SHAPES)

    @property
    def trained(self) -> tuple[str, ...]:
        """The shapes that are trained, the whole network first."""
        return (FULL, *(name for name in self.shapes if name != FULL))


def add_context(
    evaluation: Evaluation,
    subject: Subject,
    data: EvaluationData,
    settings: ContextSettings,
    on_step: Callable[[str], object] = lambda name: None,
) -> Evaluation:
    """The same evaluation with baselines, controls, ablations and gallery, as far as the cells can give them.

    Args:
        evaluation: Of this subject on these data.
        subject: Its model; gradient maps need a checkpoint.
        data: Its cells.
        settings: How much is done.
        on_step: Called with a name after each step, for a progress bar of `steps(settings)`.

    Raises:
        EngineFault: The model failed on these cells.
    """
    if not len(data.test):
        return evaluation
    judge = Judge.of(data.test, settings.bootstrap)
    brief = _brief(data, settings, on_step)
    said = subject.outputs(data.test)
    controls = (
        shuffled_targets(data.train, settings.budget, judge, brief.get(FULL)),
        position_only(data.train, judge),
        brightness_only(data.train, judge),
        *_of_the_shots(subject, data, said, settings),
    )
    on_step("controls")
    baselines = _baselines(subject, data, judge, settings.budget.seed)
    on_step("baselines")
    gallery = _gallery(subject, data, said)
    on_step("gallery")
    return evaluation.model_copy(
        update={
            "baselines": baselines,
            "controls": controls,
            "ablations": judge_ablations(brief, judge, settings.budget) if settings.shapes else (),
            "gallery": gallery,
        }
    )


def steps(settings: ContextSettings) -> int:
    """How often `add_context` calls `on_step`."""
    return len(settings.trained) + 3


def _brief(
    data: EvaluationData, settings: ContextSettings, on_step: Callable[[str], object]
) -> dict[str, BriefAnswer]:
    return train_ablations(data.train, data.test, settings.budget, settings.trained, on_step)


def _of_the_shots(
    subject: Subject, data: EvaluationData, said: Outputs, settings: ContextSettings
) -> tuple[Control, Control]:
    """On an even choice of the white test cells, since each is asked five times more."""
    white = np.flatnonzero(data.test.white)
    rows = white[:: math.ceil(len(white) / _MOST_ASKED) or 1]
    judge = Judge.of(data.test.select(rows), settings.bootstrap)
    called = serve(said, subject.calibration).called[rows]
    return (
        channels_permuted(subject, judge, called, settings.budget.seed),
        flips_unswapped(subject, judge, called),
    )


def _baselines(
    subject: Subject, data: EvaluationData, judge: Judge, seed: int
) -> tuple[Baseline, ...]:
    prior = subject.calibration.prior
    population = None if prior is None else np.array(prior.shares)
    answers = baseline_answers(data.train, data.test, population, seed)
    return tuple(_baseline(answer, judge) for answer in answers)


def _baseline(answer: SimpleAnswer, judge: Judge) -> Baseline:
    scores = judge.classes(answer.kind)
    return Baseline(
        name=answer.name,
        what=answer.what,
        accuracy=scores.accuracy,
        balanced_accuracy=scores.balanced_accuracy,
        macro_f1=scores.macro_f1,
        marker_r=judge.marker_r(answer.marker_log10),
    )


def _gallery(subject: Subject, data: EvaluationData, said: Outputs) -> Gallery:
    maps: tuple[Picture, ...] = ()
    if subject.graph is not None:
        maps = gradient_pictures(subject.graph, data.test, typical_rows(data.test, said))
    return Gallery(
        cells=gallery_cells(data.test, said, subject.calibration, subject.transform),
        gradient_maps=maps,
    )
