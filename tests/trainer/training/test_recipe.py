from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.errors import BadConfig  # noqa: E402
from phenostream.trainer.network.graph import BundleGraph  # noqa: E402
from phenostream.trainer.network.model import Phenotyper, RawOutputs  # noqa: E402
from phenostream.trainer.training.augmentation import drop_shots  # noqa: E402
from phenostream.trainer.training.distributed import World  # noqa: E402
from phenostream.trainer.training.losses import class_loss  # noqa: E402
from phenostream.trainer.training.progress import Score  # noqa: E402
from phenostream.trainer.training.recipe import Ours, class_weights  # noqa: E402
from phenostream.trainer.training.recipe_published import (  # noqa: E402
    PREPROCESS,
    Published,
    beta,
    jitter,
    loss,
    oversampled,
)
from phenostream.trainer.training.settings import TrainSettings  # noqa: E402
from phenostream.trainer.training.training_cells import TrainingCells  # noqa: E402
from tests.trainer.training.blob_cells import blobs  # noqa: E402

CPU = torch.device("cpu")
KIND = np.repeat([0, 1, 2, 5], [40, 12, 4, 8])


def settings(**changed: Any) -> TrainSettings:
    return TrainSettings.model_validate({"out": Path("nowhere"), "batch": 8, **changed})


def cells() -> TrainingCells:
    found = TrainingCells.of(BundleGraph(), blobs(64, 0), CPU)
    found.targets.kind.copy_(torch.from_numpy(KIND))
    return found


def drawn(seed: int = 0) -> Any:
    return torch.Generator().manual_seed(seed)


def test_an_epoch_shows_every_cell_once_unless_rare_classes_are_drawn_more_often() -> None:
    plain = Ours(cells(), settings()).order(drawn())
    assert sorted(plain.tolist()) == list(range(64))
    sampler = Ours(cells(), settings(rebalance="sampler"))
    seen = np.concatenate([KIND[sampler.order(drawn(seed)).numpy()] for seed in range(200)])
    share = np.bincount(seen, minlength=6)[[0, 1, 2, 5]] / len(seen)
    assert share.tolist() == pytest.approx([56 / 192] * 3 + [8 / 64], abs=0.01)


def test_class_weights_have_mean_one_over_the_cells() -> None:
    kind = torch.from_numpy(KIND)
    weights = class_weights(kind)
    assert float(weights[kind[kind < 3]].mean()) == pytest.approx(1)
    assert (weights[:, None] * torch.tensor([[40.0], [12.0], [4.0]])).flatten().tolist() == (
        pytest.approx([56 / 3] * 3)
    )
    logits = torch.randn(64, 3)
    assert float(class_loss(logits, kind, torch.ones(3))) == float(class_loss(logits, kind))


def test_processes_draw_one_batch_and_take_their_shares_of_it() -> None:
    recipe = Ours(cells(), settings(channel_dropout=0.5))
    rows = torch.arange(16)
    whole, judge = recipe.batch(rows, World().share(16), drawn())
    shares = [recipe.batch(rows, World(rank, 2).share(16), drawn()) for rank in (0, 1)]
    assert torch.equal(torch.cat([x for x, _ in shares]), whole)
    raw = Phenotyper().eval()(whole)
    halves = [
        RawOutputs(*(getattr(raw, name)[part] for name in RawOutputs.__slots__))
        for part in (slice(0, 8), slice(8, 16))
    ]
    split = sum(own(half).item() for (_, own), half in zip(shares, halves, strict=True))
    assert split == pytest.approx(judge(raw).item(), rel=1e-5)


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    with pytest.raises(BadConfig, match="batch 64: not a multiple of the 3 processes"):
        World(0, 3).share(64)


def test_a_lost_shot_is_the_one_that_was_drawn() -> None:
    x = torch.rand(3, 4, 28, 28) + 1
    left = drop_shots(x, torch.tensor([-1, 2, 0]))
    assert (left == 0).all(dim=(2, 3)).tolist() == [
        [False] * 4,
        [False, False, True, False],
        [True, False, False, False],
    ]
    assert torch.equal(left[0], x[0])


def test_the_published_schedule_is_torchs_one_cycle() -> None:
    recipe = Published(cells(), settings(recipe="published"))
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.AdamW([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=5e-4, total_steps=300, pct_start=0.1, div_factor=25, final_div_factor=1e4
    )
    for step in range(300):
        assert recipe.rate(step, 300) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-6)
        optimiser.step()
        if step < 299:
            theirs.step()
    assert recipe.rate(299, 300) == pytest.approx(2e-9)


def test_the_published_recipe_has_the_published_values_unless_told_otherwise() -> None:
    theirs = settings(recipe="published")
    assert (theirs.epochs, theirs.peak_rate, theirs.weight_decay) == (200, 5e-4, 0.01)
    assert TrainSettings(out=Path("x"), recipe="published").batch == 32
    assert settings(recipe="published", epochs=3).epochs == 3
    with pytest.raises(ValueError, match="rebalances and augments in its own way"):
        settings(recipe="published", rebalance="weights")


def test_the_published_input_is_exactly_theirs() -> None:
    u = np.arange(256)
    fraction = ((u + 0.5) * 16 - 30) / (4095 - 30)
    images = torch.from_numpy(np.resize(fraction, (1, 4, 28, 28)).astype(np.float32))
    x = PREPROCESS(images, torch.ones(1, 4))
    expected = np.resize((u / 255 - 0.5) / 0.5, (1, 4, 28, 28))
    np.testing.assert_allclose(x.numpy(), expected, atol=1e-6)


def test_minorities_are_drawn_again_up_to_the_majority() -> None:
    rows = oversampled(KIND, 42)
    assert np.bincount(KIND[rows]).tolist() == [40, 40, 40]
    assert set(rows) == set(range(56))
    recipe = Published(cells(), settings(recipe="published"))
    assert recipe.rows == 120
    assert set(recipe.order(drawn()).tolist()) <= set(range(56))


def test_the_published_augmentation_changes_each_shot_for_itself() -> None:
    x = torch.rand(1, 1, 28, 28).expand(64, 4, 28, 28) * 2 - 1
    changed = jitter(x, drawn())
    assert changed.shape == x.shape
    assert float(changed.abs().max()) <= 1
    assert not torch.equal(changed[:, 0], changed[:, 1])


def test_beta_one_half_has_its_mean_and_spread() -> None:
    generator = drawn()
    values = np.array([beta(generator) for _ in range(4000)])
    assert values.mean() == pytest.approx(0.5, abs=0.02)
    assert values.var() == pytest.approx(0.125, abs=0.005)


def test_mixup_mixes_labels_and_not_targets() -> None:
    raw = Phenotyper().eval()(torch.rand(8, 4, 28, 28))
    found = cells().targets.rows(slice(0, 8))
    found.kind.copy_(torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]))
    other = found.kind.flip(0)

    def both(share: float) -> float:
        return loss(raw, found, other, share).item()

    assert both(0.25) == pytest.approx(0.25 * both(1) + 0.75 * both(0), rel=1e-5)


def test_each_recipe_chooses_its_best_epoch_by_its_own_measure() -> None:
    score = Score(3, 0.5, accuracy=0.9, macro_f1=0.8, mean_r=0.4, reject_auroc=0.7)
    assert Ours(cells(), settings()).worth(score) == pytest.approx(1.2)
    assert Published(cells(), settings(recipe="published")).worth(score) == 0.9
