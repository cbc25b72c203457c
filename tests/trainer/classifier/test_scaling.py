"""From pixels to what the network sees."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from phenostream.trainer.classifier.scaling import LARGEST_INPUT, Scaling

pytestmark = pytest.mark.trainer


def test_per_image_scaling_does_not_see_gain_and_offset() -> None:
    x = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 100
    scaling = Scaling()
    torch.testing.assert_close(scaling(x), scaling(2 * x + 30), atol=1e-5, rtol=1e-4)


def test_a_flat_picture_stays_flat() -> None:
    assert not Scaling()(torch.full((1, 1, 8, 8), 90, dtype=torch.uint8)).any()


def test_a_fixed_scaling_centres_what_it_was_made_of() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 16, 16)).astype(np.uint8)
    scaled = Scaling.of(images)(torch.from_numpy(images))
    assert scaled.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    assert (scaled.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-3


def test_a_stuck_pixel_is_clipped() -> None:
    x = torch.zeros(1, 1, 32, 32)
    x[0, 0, 5, 5] = 255
    assert Scaling()(x).max() == LARGEST_INPUT


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "fixed"},
        {"kind": "fixed", "mean": (1.0, 2.0), "sd": (1.0, 1.0)},
        {"kind": "per-image", "mean": (1.0,), "sd": (1.0,)},
    ],
)
def test_means_are_given_where_they_are_used(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="means and"):
        Scaling.model_validate(values)
