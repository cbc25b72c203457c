"""What a training leaves behind to go on from: whole, or not at all; and what ends it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.errors import BadInput, EngineFault  # noqa: E402
from phenostream.trainer.training.fit import fit  # noqa: E402
from phenostream.trainer.training.progress import FILE, Progress, Score  # noqa: E402
from phenostream.trainer.training.settings import TrainSettings  # noqa: E402
from phenostream.trainer.training.train import fresh_graph  # noqa: E402
from phenostream.trainer.written_whole import write_whole  # noqa: E402
from tests.trainer.training.blob_cells import blobs  # noqa: E402

Train = Callable[..., Score]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """A training of a few steps of the small branch alone."""

    def run(**changed: Any) -> Score:
        torch.set_num_threads(1)
        chosen = {"epochs": 2, "batch": 12, "precision": "fp32", "network": {"cnn": False}}
        settings = TrainSettings.model_validate({"out": tmp_path, **chosen, **changed})
        torch.manual_seed(3)
        cells = blobs(36, 0)
        graph, _ = fresh_graph(settings, cells)
        return fit(graph, cells, blobs(30, 1), settings)

    return run


def test_a_full_disk_is_one_line_and_leaves_the_epoch_before(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(epochs=1)
    before = (tmp_path / FILE).read_bytes()

    def full(_descriptor: int) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device") as caught:
            train(epochs=2)
    assert caught.value.filename == str(tmp_path / FILE)
    assert (tmp_path / FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_damaged_state_is_named_and_never_gone_on_from(train: Train, tmp_path: Path) -> None:
    train()
    whole = (tmp_path / FILE).read_bytes()
    at = whole.index(b"best/")
    write_whole(tmp_path / FILE, whole[:at] + b"lost/" + whole[at + 5 :])
    with pytest.raises(BadInput, match=r"best weights are incomplete.; remove it to start afresh"):
        train()


def test_a_loss_that_is_not_finite_ends_the_training_in_one_line(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "phenostream.trainer.training.recipe.total_loss",
        lambda raw, *others: raw.class_logits.sum() * float("nan"),
    )
    with pytest.raises(EngineFault, match="the loss of epoch 1 is nan; try a lower peak_rate"):
        train()


def test_float16_goes_on_with_the_scale_it_had(train: Train, tmp_path: Path) -> None:
    whole = train(epochs=2, precision="fp16", out=tmp_path / "whole")
    stop = pytest.MonkeyPatch()
    with stop.context() as patched:
        patched.setattr(Progress, "exhausted", lambda self, patience: self.done == 1)
        train(epochs=2, precision="fp16", out=tmp_path / "twice")
    assert train(epochs=2, precision="fp16", out=tmp_path / "twice") == whole


def test_the_published_patience_counts_epochs_since_the_best() -> None:
    best = Score(4, 1.0, 0.9, 0.9, 0.5, 0.5)
    assert Progress(35, best, {}).exhausted(30)
    assert not Progress(34, best, {}).exhausted(30)
    assert not Progress(99, best, {}).exhausted(None)


@pytest.mark.parametrize(
    "changed",
    [
        {"recipe": "published"},
        {"rebalance": "weights", "channel_dropout": 0.2, "network": {"vit": True, "cnn": False}},
        {"rebalance": "sampler", "network": {"cnn": False, "tasks": "classes"}},
        {"network": {"cnn": False, "tasks": "markers"}},
    ],
    ids=str,
)
def test_every_way_to_train_trains(train: Train, changed: dict[str, Any]) -> None:
    if changed.get("recipe") == "published":
        changed = changed | {"network": {"cnn": False}}
    score = train(epochs=1, **changed)
    assert score.epoch == 0
    assert score.loss > 0


def test_tensorboard_is_written_only_where_it_is_asked_for(train: Train, tmp_path: Path) -> None:
    train(epochs=1)
    assert not (tmp_path / "tensorboard").exists()
    train(epochs=2, tensorboard=True)
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
