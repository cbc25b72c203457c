"""Changes after which a picture shows the same cell."""

from typing import Any

import pytest
import torch
from torch import Tensor

from phenostream.trainer.classifier.augmentation import augment
from phenostream.trainer.classifier.settings import AugmentationSettings

pytestmark = pytest.mark.trainer


def pictures(count: int = 6, planes: int = 3, side: int = 24) -> Tensor:
    """Smooth, so that resampling loses little."""
    generator = torch.Generator().manual_seed(3)
    small = torch.rand(count, planes, 6, 6, generator=generator) * 200 + 20
    return torch.nn.functional.interpolate(small, size=(side, side), mode="bicubic").clamp(0, 255)


def changed(x: Tensor, seed: int = 1, **how: Any) -> Tensor:
    settings = AugmentationSettings.model_validate(how)
    return augment(x, settings, torch.Generator().manual_seed(seed))


def test_by_default_nothing_changes() -> None:
    x = pictures()
    torch.testing.assert_close(changed(x), x)


def test_rows_are_turned_over_and_columns_stay() -> None:
    x = pictures(40)
    y = changed(x, flips="rows")
    same = (y == x).flatten(1).all(dim=1)
    turned = (y == x.flip(2)).flatten(1).all(dim=1)
    assert (same ^ turned).all()
    assert 5 < int(turned.sum()) < 35


@pytest.mark.parametrize(
    "how",
    [
        {"rotation_deg": 30},
        {"scale": 0.2},
        {"stretch": 0.2},
        {"shear": 0.2},
        {"shift": 0.1},
        {"brightness": 0.1},
        {"contrast": 0.3},
        {"gamma": 0.2},
        {"plane_gain": 0.2},
        {"saturation": 0.3},
        {"noise": 0.05},
        {"blur_px": 1.5},
        {"erased": 0.5},
    ],
    ids=lambda how: next(iter(how)),
)
def test_each_change_is_seeded_its_own_and_stays_in_range(how: dict[str, Any]) -> None:
    x = pictures()
    y = changed(x, **how)
    torch.testing.assert_close(y, changed(x, **how))
    assert not torch.equal(y, changed(x, seed=2, **how))
    assert y.shape == x.shape
    assert y.min() >= 0
    assert y.max() <= 255
    moved = (y - x).abs().mean(dim=(1, 2, 3))
    assert (moved > 0).sum() >= 4
    assert len(set(moved.tolist())) >= 4


def test_a_shift_moves_without_changing_size() -> None:
    x = torch.zeros(1, 1, 64, 64)
    x[0, 0, 28:36, 28:36] = 200
    y = changed(x, shift=0.2)
    assert float(y.sum()) == pytest.approx(float(x.sum()), rel=1e-3)
    assert not torch.equal(y, x)


def test_a_turned_square_keeps_its_area() -> None:
    x = torch.zeros(8, 1, 64, 64)
    x[:, 0, 24:40, 24:40] = 200
    y = changed(x, rotation_deg=45)
    torch.testing.assert_close(y.sum(dim=(1, 2, 3)), x.sum(dim=(1, 2, 3)), rtol=0.03, atol=0)


def test_a_blur_takes_contrast_and_no_light() -> None:
    x = torch.zeros(4, 1, 32, 32)
    x[:, 0, 16, 16] = 255
    y = changed(x, blur_px=1.0)
    torch.testing.assert_close(y.sum(dim=(1, 2, 3)), x.sum(dim=(1, 2, 3)), rtol=1e-3, atol=0)
    assert (y.amax(dim=(1, 2, 3)) < 255).any()
