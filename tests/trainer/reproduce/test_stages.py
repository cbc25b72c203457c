import pytest

from phenostream.trainer.reproduce.stages import StageDone, Stages


def test_stages_are_told_in_turn_with_what_is_left() -> None:
    told: list[StageDone] = []
    stages = Stages(told.append, {"pack": 0.0, "train": 2.0, "evaluate": 1.0})
    with stages.stage("pack") as stage:
        stage.kept = True
        stage.detail = "10 cells"
    with stages.stage("train"):
        pass
    assert [(one.name, one.kept, one.detail) for one in told] == [
        ("pack", True, "10 cells"),
        ("train", False, ""),
    ]
    assert told[0].left_s is None
    assert told[1].left_s == pytest.approx(told[1].seconds / 2, rel=1e-6)


def test_a_stage_that_fails_is_not_told() -> None:
    told: list[StageDone] = []
    with pytest.raises(ValueError, match="no"), Stages(told.append, {}).stage("train"):
        raise ValueError("no")
    assert told == []
