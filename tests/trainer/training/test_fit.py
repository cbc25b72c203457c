from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.engine.optics import symmetry  # noqa: E402
from phenostream.engine.types import I32  # noqa: E402
from phenostream.trainer.calibration.calibrate import calibrate, refuse_few  # noqa: E402
from phenostream.trainer.calibration.evidence import observe  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet, concatenate  # noqa: E402
from phenostream.trainer.network.graph import BundleGraph  # noqa: E402
from phenostream.trainer.predict import predict  # noqa: E402
from phenostream.trainer.training.augmentation import augment  # noqa: E402
from phenostream.trainer.training.fit import fit, measure  # noqa: E402
from phenostream.trainer.training.progress import Score  # noqa: E402
from phenostream.trainer.training.recipe import learning_rate  # noqa: E402
from phenostream.trainer.training.settings import TrainSettings  # noqa: E402
from phenostream.trainer.training.train import make_data, set_transform  # noqa: E402
from tests.trainer.training.blob_cells import blobs  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def settings(folder: Path, **changed: Any) -> TrainSettings:
    values = {"epochs": 2, "batch": 24, "precision": "fp32", "seed": 3} | changed
    return TrainSettings.model_validate({"out": folder, **values})


def fresh(cells: CellSet) -> BundleGraph:
    torch.manual_seed(3)
    graph = BundleGraph()
    set_transform(graph, cells)
    return graph


def test_a_few_steps_of_training_lower_the_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: list[float] = []

    def note(graph: BundleGraph, cells: CellSet, epoch: int, loss: float, narrow: object) -> Score:
        losses.append(loss)
        return Score(epoch, loss, 0, 0, epoch, 0)

    monkeypatch.setattr("phenostream.trainer.training.fit.measure", note)
    train = blobs(96, 0)
    best = fit(fresh(train), train, train, settings(tmp_path, epochs=4, batch=8, peak_rate=1e-3))
    assert best.epoch == 3
    assert losses[-1] < 0.7 * losses[0]


def test_an_interrupted_training_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, other = blobs(48, 0), blobs(30, 1)
    whole = fresh(train)
    fit(whole, train, other, settings(tmp_path / "whole"))

    class Interrupted(Exception):
        pass

    def stop(*args: object) -> object:
        if args[2] == 1:
            raise Interrupted
        return measure(*args)  # type: ignore[arg-type]  # passed on untouched

    with monkeypatch.context() as patched:
        patched.setattr("phenostream.trainer.training.fit.measure", stop)
        with pytest.raises(Interrupted):
            fit(fresh(train), train, other, settings(tmp_path / "twice"))
    resumed = fresh(train)
    fit(resumed, train, other, settings(tmp_path / "twice"))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_other_settings_start_afresh(tmp_path: Path) -> None:
    train, other = blobs(24, 0), blobs(30, 1)
    fit(fresh(train), train, other, settings(tmp_path, epochs=1))
    assert fit(fresh(train), train, other, settings(tmp_path, epochs=1, seed=4)).epoch == 0


def test_other_cells_start_afresh(tmp_path: Path) -> None:
    first, second, other = blobs(24, 0), blobs(24, 2), blobs(30, 1)
    graph, again = fresh(first), fresh(first)
    fit(graph, first, other, settings(tmp_path, epochs=1))
    fit(again, second, other, settings(tmp_path, epochs=1))
    same = [torch.equal(a, b) for a, b in zip(graph.parameters(), again.parameters(), strict=True)]
    assert not all(same)


def test_augmentation_is_the_joint_symmetry_of_the_optics() -> None:
    x = torch.rand(8, 4, 28, 28)
    turned = augment(x, torch.arange(8))
    for element in range(8):
        expected = symmetry.apply(np, x[element].numpy(), element)
        np.testing.assert_array_equal(turned[element].numpy(), expected)
    assert torch.equal(turned[0], x[0])


def test_the_learning_rate_rises_and_falls_once() -> None:
    rates = [learning_rate(step, 100, 1e-3) for step in range(100)]
    assert rates[0] == pytest.approx(4e-5)
    assert max(rates) == rates[10] == pytest.approx(1e-3)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 3e-6


def joined_at_random(one: CellSet, other: CellSet) -> tuple[CellSet, I32]:
    """Cells of two populations in one set, in random order, and which of the two each is of."""
    order = np.random.default_rng(0).permutation(len(one) + len(other))
    stratum = np.repeat(np.array([0, 1], np.int32), [len(one), len(other)])
    return concatenate([one, other]).select(order), stratum[order]


def test_every_population_has_its_say_in_both_thresholds() -> None:
    train, easy, hard = blobs(180, 0), blobs(180, 1), blobs(180, 2)
    noise = np.random.default_rng(0).normal(0, 0.05, hard.images.shape).astype(np.float32)
    hard = replace(hard, images=hard.images + noise)
    graph = fresh(train)
    alone = [calibrate(graph, train, cells) for cells in (easy, hard)]
    both, stratum = joined_at_random(easy, hard)
    each = calibrate(graph, train, both, stratum=stratum)
    assert each.ood_threshold == pytest.approx(max(one.ood_threshold or 0 for one in alone))
    assert each.reject_threshold == pytest.approx(max(one.reject_threshold or 0 for one in alone))
    pooled = calibrate(graph, train, both)
    assert (pooled.ood_threshold or 0) < (each.ood_threshold or 0)
    evidence = observe(graph, both, stratum)
    np.testing.assert_array_equal(evidence.stratum, stratum[both.white])
    np.testing.assert_array_equal(evidence.kind, both.kind[both.white])


def test_a_population_of_too_few_cells_is_refused_by_its_number() -> None:
    both, stratum = joined_at_random(blobs(180, 1), blobs(12, 2))
    refuse_few(both)
    with pytest.raises(BadInput, match=r"calibration, population 2 of 2: .* need 30 white cells"):
        refuse_few(both, stratum)


def test_simulated_cells_are_calibrated_for_each_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"easy": 24, "hard": 36}
    monkeypatch.setattr(
        "phenostream.trainer.training.train.make_cells",
        lambda part, cache: blobs(counts[part.preset], 0),
    )
    data = make_data(settings(tmp_path))
    assert data.stratum is not None
    assert data.stratum.tolist() == [0] * 24 + [1] * 36


def test_calibration_fills_the_graph() -> None:
    train, held_out = blobs(180, 0), blobs(180, 1)
    graph = fresh(train)
    calibration = calibrate(graph, train, held_out)
    assert calibration.status == "calibrated"
    assert float(graph.temperature) == pytest.approx(calibration.temperature)
    assert graph.class_bias.tolist() == pytest.approx(calibration.class_bias)
    scale = np.array(calibration.interval_scale)
    np.testing.assert_allclose(graph.interval_scale.numpy(), scale, rtol=1e-6)
    said = predict(graph, train.select(train.white))
    near = graph.ood_score(torch.from_numpy(said.feature))
    far = graph.ood_score(torch.from_numpy(said.feature + 1))
    assert float(near.mean()) < 1.1
    assert float(far.min()) > 2 * float(near.max())
