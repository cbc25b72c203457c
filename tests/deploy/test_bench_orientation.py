"""The benchmark makes the faults it says it makes, and counts what becomes of them."""

import json

import numpy as np
import pytest

from phenostream.deploy.bench.orientation import OrientationPlan, measure_orientation
from phenostream.deploy.bench.wiring import MOVED, WIRING, Counts
from phenostream.deploy.cli.main import main
from phenostream.engine.errors import BadConfig
from phenostream.engine.optics.orientation import FAULTS
from phenostream.engine.types import SHOTS


@pytest.fixture
def counts() -> Counts:
    """Four shots that can be told apart by their level."""
    noise = np.random.default_rng(0).normal(0, 5, (4, 40, 40))
    return (np.array([1000, 2000, 3000, 4000])[:, None, None] + noise).astype(np.uint16)


@pytest.mark.parametrize("name", WIRING)
def test_a_faults_truths_are_what_was_done_to_the_counts(name: str, counts: Counts) -> None:
    for seed in range(12):
        made = WIRING[name](counts, np.random.default_rng(seed))
        assert made.fault in FAULTS
        for shot, truth in enumerate(made.truths):
            level = np.median(made.counts[shot])
            if truth is not None:
                assert level == pytest.approx(1000 * (SHOTS.index(truth) + 1), rel=0.01)
            else:
                assert level < 100 or level % 1000 == pytest.approx(500, abs=20)
    assert counts[0].max() < 1100


def test_an_order_across_the_pairs_is_never_a_mirror_or_a_turn(counts: Counts) -> None:
    made = {WIRING["any other order"](counts, np.random.default_rng(s)).truths for s in range(200)}
    assert len(made) == 16
    assert all({truths[0], truths[1]} not in ({"left", "right"}, {"top", "bottom"}) for truths in made)  # fmt: skip


@pytest.mark.parametrize("name", MOVED)
def test_a_moved_shot_keeps_its_name(name: str, counts: Counts) -> None:
    made = MOVED[name](counts, np.random.default_rng(1))
    assert made.truths == SHOTS
    assert sum(not np.array_equal(a, b) for a, b in zip(made.counts, counts, strict=True)) == 1


def test_a_few_frames_are_judged_and_called_synthetic() -> None:
    steps: list[None] = []
    figure = measure_orientation(OrientationPlan(frames=2, streams=0), lambda: steps.append(None))
    told = figure.as_dict()
    assert told["synthetic"] is True
    assert len(steps) == 4
    assert len(told["faults"]) == 2 * (len(WIRING) + len(MOVED))
    for row in figure.faults:
        shares = (row.right, row.undecided, row.wrong)
        judged = [share.count for share in shares if share is not None]
        assert sum(judged) == (2 if row.fault in WIRING else 0)
        if row.fault in ("none", "left and right swapped", "one exposure copied"):
            assert row.right is not None
            assert row.right.count == 2
        if row.fault in ("any other order", "one exposure copied", "one shot moved 8 px"):
            assert row.flagged.count == 2
    json.dumps(told, allow_nan=False)


def test_impossible_plans_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadConfig, match="--cells 0: allowed 1 to 200"):
        OrientationPlan(cells=0)
    assert main(["bench", "orientation", "--frames", "0"]) == 2
    assert "--frames 0" in capsys.readouterr().err
