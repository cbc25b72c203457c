"""A site's shift is taken out of the network, its class mix is not, and what is too odd is refused in one line."""

import copy
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.trainer, pytest.mark.timeout(180)]

from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.engine.manifest import Calibration, ClassSets, Prior  # noqa: E402
from phenostream.engine.types import Crops  # noqa: E402
from phenostream.trainer.adaptation.adapted import (  # noqa: E402
    Origin,
    Site,
    adapt_checkpoint,
    with_prior,
)
from phenostream.trainer.adaptation.reference import (  # noqa: E402
    measure_reference,
    network_input,
)
from phenostream.trainer.adaptation.settings import AdaptationSettings  # noqa: E402
from phenostream.trainer.adaptation.site_fit import fit_site  # noqa: E402
from phenostream.trainer.adaptation.statistics import kept_statistics, sweep  # noqa: E402
from phenostream.trainer.calibration.calibrate import fill  # noqa: E402
from phenostream.trainer.checkpoint import Checkpoint  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet  # noqa: E402
from phenostream.trainer.export import run_graph  # noqa: E402
from tests.trainer.adaptation.toy_cells import toy_cells  # noqa: E402
from tests.trainer.test_export import checkpoint as random_checkpoint  # noqa: E402

SITE = Site("recording.phenorec of scope-1", "ab" * 32, True, 12)
ORIGIN = Origin("random 0", "cd" * 32)
EVEN = (1 / 3, 1 / 3, 1 / 3)


def white_cells(count: int, seed: int, gain: float = 1.0) -> CellSet:
    cells = toy_cells(2 * count, seed, gain)
    return cells.select(cells.white)


def crops(cells: CellSet) -> Crops:
    return Crops(cells.images, cells.background)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    """Random weights: all cells are as likely of each class, and white or not."""
    plain = random_checkpoint()
    calibration = plain.card.calibration.model_copy(
        update={"prior": Prior(shares=EVEN, stated=False), "class_bias": (0.0, 0.0, 0.0)}
    )
    fill(plain.graph, calibration)
    with torch.no_grad():  # hardly a cell is rejected, and hardly any class is preferred
        plain.graph.get_parameter("phenotyper.reject.2.bias").fill_(-4.0)
        plain.graph.get_parameter("phenotyper.network.classifier.classifier.8.bias").zero_()
        plain.graph.get_parameter("phenotyper.network.classifier.classifier.8.weight").mul_(0.05)
    inputs = torch.cat(network_input(plain.graph, white_cells(120, 1)))
    sweep(plain.graph.phenotyper, inputs, torch.ones(len(inputs)), lambda _name, seen: seen)
    reference = measure_reference(plain.graph, toy_cells(240))
    card = plain.card.model_copy(update={"calibration": calibration})
    return replace(plain, reference=reference, card=card)


def test_a_change_of_contrast_is_taken_out(checkpoint: Checkpoint) -> None:
    graph = copy.deepcopy(checkpoint.graph)
    assert checkpoint.reference is not None
    before = run_graph(graph, crops(white_cells(60, 5)))["feature"]
    shifted = run_graph(graph, crops(white_cells(60, 5, gain=1.6)))["feature"]
    settings = AdaptationSettings(prior_cells=0)
    fit = fit_site(
        graph,
        checkpoint.reference,
        checkpoint.card.calibration,
        crops(white_cells(200, 6, gain=1.6)),
        settings,
    )
    after = run_graph(graph, crops(white_cells(60, 5, gain=1.6)))["feature"]
    assert fit.settled
    assert fit.white_cells == pytest.approx(200, rel=0.1)
    assert np.abs(after - before).mean() < 0.5 * np.abs(shifted - before).mean()
    assert max(layer.log_sd for layer in fit.layers) > 0.1


def test_the_checkpoint_says_what_was_done_and_the_old_one_is_left(checkpoint: Checkpoint) -> None:
    before = kept_statistics(checkpoint.graph.phenotyper)
    cells = crops(white_cells(220, 7))
    found = adapt_checkpoint(checkpoint, ORIGIN, cells, SITE, AdaptationSettings())
    card, told = found.card, found.card.adapted
    assert told is not None
    assert (card.name, card.version) == ("random-adapted", "0+abababab")
    assert (told.cells, told.frames, told.from_sha256) == (221, 12, ORIGIN.sha256)
    assert told.shares == pytest.approx(EVEN, abs=0.05)
    assert max(layer.mean for layer in told.layers) < 0.1  # these are the training's own cells
    assert max(layer.log_sd for layer in told.layers) < 0.1
    assert card.metrics == ()
    assert card.training_population is None
    assert found.population is None
    assert found.evidence is None
    assert found.reference is None
    assert "221 unlabelled simulated cells (synthetic) of recording.phenorec" in card.description
    assert card.calibration == checkpoint.card.calibration
    for name, moments in kept_statistics(checkpoint.graph.phenotyper).items():
        assert torch.equal(moments.mean, before[name].mean)


def test_estimated_priors_change_the_bias_alone(checkpoint: Checkpoint) -> None:
    settings = AdaptationSettings(priors="estimate")
    found = adapt_checkpoint(checkpoint, ORIGIN, crops(white_cells(220, 7)), SITE, settings)
    own, told = found.card.calibration, found.card.adapted
    assert told is not None
    assert own.prior is not None
    assert own.prior.shares == pytest.approx(told.shares)
    np.testing.assert_allclose(own.class_bias, np.log(np.array(told.shares) * 3), atol=1e-6)
    np.testing.assert_allclose(found.graph.class_bias.numpy(), own.class_bias, atol=1e-6)
    assert own.interval_scale == checkpoint.card.calibration.interval_scale


def test_another_prior_is_bayes_rule() -> None:
    own = Calibration(
        status="calibrated",
        class_bias=(0.1, 0.2, -0.3),
        prior=Prior(shares=(0.2, 0.5, 0.3), stated=False),
        class_sets=ClassSets(coverage=0.9, threshold=(0.2, 0.3, 0.1)),
        interval_half_width_z=(1, 1, 1, 1),
        ood_threshold=1,
        reject_threshold=0.5,
    )
    changed = with_prior(own, (0.4, 0.5, 0.1))
    np.testing.assert_allclose(
        changed.class_bias, (0.1 + np.log(2), 0.2, -0.3 - np.log(3)), atol=1e-9
    )
    assert changed.class_sets == own.class_sets
    with pytest.raises(BadInput, match="for which shares"):
        with_prior(own.model_copy(update={"prior": None}), (0.4, 0.5, 0.1))


def test_cells_without_finite_pixels_are_refused(checkpoint: Checkpoint) -> None:
    cells = crops(white_cells(200, 3))
    cells.images[7, 0, 3, 3] = np.nan
    with pytest.raises(BadInput, match="finite"):
        adapt_checkpoint(checkpoint, ORIGIN, cells, SITE, AdaptationSettings())


def test_few_cells_are_refused_before_anything_is_computed(checkpoint: Checkpoint) -> None:
    with pytest.raises(BadInput, match=r"scope-1: 120 cells inside the frames, allowed 200"):
        adapt_checkpoint(checkpoint, ORIGIN, crops(white_cells(120, 3)), SITE, AdaptationSettings())
