import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.types import MARKERS  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet  # noqa: E402
from phenostream.trainer.evaluation.controls.ablations import (  # noqa: E402
    SHAPES,
    judge_ablations,
    train_ablations,
)
from phenostream.trainer.evaluation.controls.brief_fit import BriefAnswer, Budget, fit_briefly  # noqa: E402
from phenostream.trainer.evaluation.controls.judge import Judge  # noqa: E402
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings  # noqa: E402

BRIEF = Budget(cells=60, epochs=1, batch=16)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_every_shape_is_trained_alike_and_says_on_what_budget(cells_by_size: CellSet) -> None:
    even = np.arange(len(cells_by_size)) % 2 == 0
    train, test = cells_by_size.select(even), cells_by_size.select(~even)
    done: list[str] = []
    answers = train_ablations(train, test, BRIEF, on_trained=done.append)
    rows = judge_ablations(answers, Judge.of(test, BootstrapSettings(resamples=100)), BRIEF)
    assert [row.name for row in rows] == list(SHAPES) == done
    full = {row.name: row for row in rows}["full"]
    for row in rows:
        assert "1 epochs over at most 60 training cells" in row.what
        assert (row.accuracy is None) == (row.name == "markers only")
        assert set(row.marker_r) == (set() if row.name == "class only" else set(MARKERS))
        if row.name.startswith("no ") or row.name.endswith(" only"):
            assert row.parameters < full.parameters


def test_rows_say_when_the_whole_network_has_learnt_nothing(cells_by_size: CellSet) -> None:
    judge = Judge.of(cells_by_size, BootstrapSettings(resamples=100))
    levels = cells_by_size.marker_log10
    knows = BriefAnswer(2, cells_by_size.kind, levels)
    ignorant = BriefAnswer(2, np.zeros_like(cells_by_size.kind), levels)
    for whole, cautious in ((knows, False), (ignorant, True)):
        rows = judge_ablations({"full": whole, "no ViT": knows}, judge, BRIEF)
        assert [("no row tells anything" in row.what) for row in rows] == [cautious] * 2
    (alone,) = judge_ablations({"no ViT": knows}, judge, BRIEF)
    assert "no row tells anything" in alone.what


def test_the_same_budget_gives_the_same_answer(cells_by_size: CellSet) -> None:
    first, again = (fit_briefly(cells_by_size, cells_by_size, BRIEF) for _ in range(2))
    assert np.array_equal(first.marker_z, again.marker_z)
    assert np.array_equal(first.called, again.called)


def test_a_shape_that_cannot_be_trained_is_left_out(
    cells_by_size: CellSet, caplog: pytest.LogCaptureFixture
) -> None:
    one_class = cells_by_size.select(cells_by_size.kind == 0)
    assert train_ablations(one_class, one_class, BRIEF, ["full", "class only"]) == {}
    assert "ablation full: left out: training: no cell of class" in caplog.text
