from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.trainer.evaluation.controls.ablations import FULL, PARTS, SHAPES  # noqa: E402
from phenostream.trainer.evaluation.controls.context import steps  # noqa: E402
from phenostream.trainer.reproduce.effort import effort  # noqa: E402
from phenostream.trainer.reproduce.settings import ReproduceSettings  # noqa: E402


def settings(**changed: Any) -> ReproduceSettings:
    return ReproduceSettings.model_validate(
        {"bsccm": Path("m"), "out": Path("o"), "protocol": "clean", **changed}
    )


@pytest.mark.parametrize(
    ("changed", "trained"),
    [
        ({}, tuple(SHAPES)),
        ({"quick": True}, (FULL, *PARTS)),
        ({"quick": True, "ablations": False}, (FULL,)),
        ({"ablations": False}, (FULL,)),
    ],
)
def test_a_quick_run_leaves_out_the_parts_only(
    changed: dict[str, Any], trained: tuple[str, ...]
) -> None:
    context = effort(settings(**changed)).context
    assert context.trained == trained
    assert steps(context) == len(trained) + 3  # controls, baselines, gallery


def test_the_published_recipe_is_for_the_published_split_alone() -> None:
    assert effort(settings(protocol="paper")).training.recipe == "published"
    assert effort(settings(protocol="fov")).training.recipe == "ours"
    assert effort(settings(protocol="paper")).training.epochs == 200
    assert effort(settings(quick=True)).training.epochs < effort(settings()).training.epochs
