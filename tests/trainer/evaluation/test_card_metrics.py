import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

import numpy as np  # noqa: E402

from phenostream.engine.manifest import ACCURACY_METRIC, COVERAGE_METRIC  # noqa: E402
from phenostream.engine.types import MARKERS  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet  # noqa: E402
from phenostream.trainer.evaluation.card_metrics import card_metrics  # noqa: E402
from phenostream.trainer.evaluation.evaluate import evaluate_model  # noqa: E402
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings  # noqa: E402
from phenostream.trainer.evaluation.schema.document import Evaluation  # noqa: E402
from tests.trainer.evaluation import scripted  # noqa: E402


def evaluated(test: CellSet) -> Evaluation:
    said = scripted.outputs_for(scripted.cells(500, 11), 12)
    data = scripted.data(scripted.cells(300, 10), test)
    return evaluate_model(scripted.subject(said), data, BootstrapSettings(resamples=100))


def test_a_card_shows_what_was_measured_under_the_names_that_readers_of_bundles_know() -> None:
    found = evaluated(scripted.cells(500, 11))
    metrics = {one.name: one for one in card_metrics(found, "synthetic, scripted")}
    coverage = {f"{COVERAGE_METRIC} {marker}" for marker in MARKERS}
    known = {"class accuracy", ACCURACY_METRIC, "ECE", "reject AUROC", "oracle class-mean r CD16"}
    assert known | coverage | {"r CD16 within granulocyte", "rejected red"} <= set(metrics)
    assert found.classification is not None
    accuracy = metrics["class accuracy"]
    assert accuracy.value == pytest.approx(found.classification.accuracy.value, abs=1e-4)
    assert accuracy.n == found.classification.n
    assert all(one.low <= one.value <= one.high for one in metrics.values())
    assert {one.data for one in metrics.values()} == {"synthetic, scripted"}


def test_a_refused_headline_leaves_the_card_empty(caplog: pytest.LogCaptureFixture) -> None:
    every = scripted.cells(500, 11)
    few = every.select(np.flatnonzero(every.kind != 2))
    assert card_metrics(evaluated(few), "synthetic") == ()
    assert "fewer than 30 cells: monocyte 0" in caplog.text
