"""The network without one of its parts, each trained as briefly as the whole one beside it (SPEC g.4.6).

Of the published list, 28 against 96 pixels is left out: every crop here has 28.
"""

import logging
from collections.abc import Callable, Collection
from typing import Final

from phenostream.engine.errors import BadInput
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.controls.brief_fit import BriefAnswer, Budget, fit_briefly
from phenostream.trainer.evaluation.controls.chance import above_chance
from phenostream.trainer.evaluation.controls.judge import ClassScores, Judge
from phenostream.trainer.evaluation.schema.comparisons import Ablation
from phenostream.trainer.network.network_options import NetworkOptions

logger = logging.getLogger(__name__)

FULL: Final = "full"
_WHOLE: Final = NetworkOptions()
_CAUTION: Final = (
    ", on which the whole network's classes do no better than chance, so that no row tells anything"
)
SHAPES: Final[dict[str, tuple[str, NetworkOptions]]] = {
    FULL: ("Nothing left out", _WHOLE),
    "no ECA": ("Without channel attention", _WHOLE.without("channel_attention")),
    "no CNN": ("Without the convolutional branch", _WHOLE.without("cnn")),
    "no ViT": ("Without the patch transformer", _WHOLE.without("vit")),
    "no gating": ("Without the gates between the tasks", _WHOLE.without("task_gating")),
    "class only": ("Classes as the single task", NetworkOptions(tasks="classes")),
    "markers only": ("Markers as the single task", NetworkOptions(tasks="markers")),
    "DPC input": ("DPC_x and DPC_y beside the four shots", NetworkOptions(inputs="dpc")),
}
"""Every ablation: what is changed, and the network's shape."""
PARTS: Final = ("no ECA", "no CNN", "no ViT", "no gating")
"""The four parts of the network, for when there is no time for all shapes."""


def train_ablations(
    train: CellSet,
    test: CellSet,
    budget: Budget,
    names: Collection[str] = tuple(SHAPES),
    on_trained: Callable[[str], object] = lambda name: None,
) -> dict[str, BriefAnswer]:
    """What each shape says of the test cells after the same short training; a shape that cannot be trained is left out.

    Args:
        train: What there is to learn from.
        test: What is judged.
        budget: The same for all.
        names: Which shapes.
        on_trained: Called with each name when it is done.
    """
    answers = {}
    for name in names:
        try:
            answers[name] = fit_briefly(train, test, budget, SHAPES[name][1])
        except BadInput as err:
            logger.warning("ablation %s: left out: %s", name, err)
        on_trained(name)
    return answers


def judge_ablations(
    answers: dict[str, BriefAnswer], judge: Judge, budget: Budget
) -> tuple[Ablation, ...]:
    """The rows of the table; the unablated network on the same budget is the first.

    Each row says on what budget, and that it tells nothing where the unablated network is still at chance.
    """
    caution = "" if FULL in answers and _learns(answers[FULL], judge) else _CAUTION
    return tuple(
        _row(name, answer, judge, f"{budget.text()}, seed {budget.seed}{caution}")
        for name, answer in answers.items()
    )


def _learns(whole: BriefAnswer, judge: Judge) -> bool:
    balanced = judge.classes(whole.called).balanced_accuracy
    return balanced is not None and above_chance(balanced)


def _row(name: str, answer: BriefAnswer, judge: Judge, trained: str) -> Ablation:
    changed, options = SHAPES[name]
    scores = ClassScores() if options.tasks == "markers" else judge.classes(answer.called)
    return Ablation(
        name=name,
        what=(
            f"{changed}; {trained}. Trained like every row here: compare with the row '{FULL}', not with the "
            "model judged above."
        ),
        parameters=answer.parameters,
        accuracy=scores.accuracy,
        macro_f1=scores.macro_f1,
        marker_r={} if options.tasks == "classes" else judge.marker_r(answer.marker_z),
    )
