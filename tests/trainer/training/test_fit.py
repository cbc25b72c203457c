from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.optics import symmetry  # noqa: E402
from phenostream.trainer.calibration.calibrate import calibrate  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet  # noqa: E402
from phenostream.trainer.network.graph import BundleGraph  # noqa: E402
from phenostream.trainer.predict import predict  # noqa: E402
from phenostream.trainer.training.augmentation import augment  # noqa: E402
from phenostream.trainer.training.fit import fit, measure  # noqa: E402
from phenostream.trainer.training.progress import Score  # noqa: E402
from phenostream.trainer.training.recipe import learning_rate  # noqa: E402
from phenostream.trainer.training.settings import TrainSettings  # noqa: E402
from phenostream.trainer.training.train import set_transform  # noqa: E402
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
