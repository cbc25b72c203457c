from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.trainer

from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.engine.manifest import MarkerTransform, Metric  # noqa: E402
from phenostream.engine.types import Crops  # noqa: E402
from phenostream.trainer.calibration.calibrate import Thresholds, fill, fit_calibration  # noqa: E402
from phenostream.trainer.calibration.population import for_population  # noqa: E402
from phenostream.trainer.calibration.settings import CalibrationSettings  # noqa: E402
from phenostream.trainer.checkpoint import (  # noqa: E402
    Card,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from phenostream.trainer.export import export_model  # noqa: E402
from phenostream.trainer.network.graph import BundleGraph  # noqa: E402
from tests.trainer.calibration.toy import toy  # noqa: E402
from tests.trainer.toy_population import FACTS, toy_population  # noqa: E402

STATED = (0.15, 0.8, 0.05)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    evidence, graph = toy(600, 0).evidence(), BundleGraph()
    calibration = fit_calibration(evidence, Thresholds(1.5, 0.6), CalibrationSettings())
    fill(graph, calibration)
    card = Card(
        name="toy",
        version="0",
        synthetic=True,
        description="A toy.",
        marker_unit="a.u.",
        marker_transform=MarkerTransform(scale="linear", mean=(0, 0, 0, 0), sd=(1, 1, 1, 1)),
        calibration=calibration,
        metrics=(Metric(name="ECE", value=0.01, low=0.0, high=0.02, n=9, data="toy cells"),),
        data_sha256="0" * 64,
    )
    nothing = Crops(np.zeros((1, 4, 28, 28), np.float32), np.ones((1, 4), np.float32))
    return Checkpoint(graph, card, nothing, evidence)


def test_the_card_says_for_whom_and_drops_figures_that_no_longer_hold(
    checkpoint: Checkpoint,
) -> None:
    other = for_population(checkpoint, STATED)
    prior = other.card.calibration.prior
    assert prior is not None
    assert prior.stated
    assert prior.shares == pytest.approx(STATED)
    assert other.card.metrics == ()
    assert "stated population (lymphocyte 15.0%, granulocyte 80.0%, monocyte 5.0%)" in (
        other.card.description
    )


def test_the_graph_has_the_new_numbers_and_the_checkpoint_its_own(checkpoint: Checkpoint) -> None:
    before = checkpoint.graph.class_bias.clone()
    other = for_population(checkpoint, STATED)
    np.testing.assert_allclose(
        other.graph.class_bias.numpy(), other.card.calibration.class_bias, rtol=1e-6
    )
    assert torch.equal(checkpoint.graph.class_bias, before)
    assert not torch.equal(other.graph.class_bias, before)


def test_a_checkpoint_that_kept_no_evidence_cannot_be_given_a_prior(
    checkpoint: Checkpoint,
) -> None:
    bare = Checkpoint(checkpoint.graph, checkpoint.card, checkpoint.golden)
    with pytest.raises(BadInput, match=r"no evidence\.npz, .* no prior can be stated"):
        for_population(bare, STATED)


def test_a_prior_is_stated_at_export_from_what_lies_beside_the_weights(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Checkpoint] = []

    def note(trained: Checkpoint, out_dir: Path) -> Path:
        written.append(trained)
        return out_dir

    monkeypatch.setattr("phenostream.trainer.export.write_bundle", note)
    folder = save_checkpoint(checkpoint, tmp_path / "checkpoint")
    export_model(folder, tmp_path / "bundle")
    export_model(folder, tmp_path / "bundle", STATED)
    as_trained, stated = (one.card for one in written)
    assert as_trained == checkpoint.card
    assert stated == for_population(checkpoint, STATED).card


def test_what_it_said_of_a_population_is_kept_and_goes_with_another_prior(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    card = checkpoint.card.model_copy(update={"training_population": FACTS})
    told = replace(checkpoint, card=card, population=toy_population())
    folder = save_checkpoint(told, tmp_path / "checkpoint")
    again = load_checkpoint(folder)
    assert (again.population, again.card.training_population) == (toy_population(), FACTS)
    stated = for_population(told, STATED)
    assert (stated.population, stated.card.training_population) == (None, None)
    (folder / "population.npz").unlink()
    with pytest.raises(BadInput, match="not a trained checkpoint"):
        load_checkpoint(folder)
    save_checkpoint(checkpoint, folder)
    assert load_checkpoint(folder).population is None
