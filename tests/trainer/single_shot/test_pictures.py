"""From a picture of 128 camera pixels to what the network sees."""

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.single_shot.pictures import network_planes

pytestmark = pytest.mark.trainer


@pytest.mark.parametrize("side_px", [28, 48, 64])
def test_the_middle_is_seen_and_the_margin_is_not(side_px: int) -> None:
    planes = np.zeros((2, 128, 128), np.uint8)
    planes[0, 16:-16, 16:-16] = 200
    planes[1] = 200
    planes[1, 16:-16, 16:-16] = 0
    seen = network_planes(planes, side_px)
    assert seen.shape == (2, 1, side_px, side_px)
    assert (seen[0] == 200).all()
    assert (seen[1] == 0).all()


def test_a_pixel_is_the_mean_of_what_it_covers() -> None:
    plane = np.random.default_rng(1).integers(0, 256, (1, 128, 128), dtype=np.uint8)
    seen = network_planes(plane, 48)[0, 0]
    mean = plane[0, 16:-16, 16:-16].reshape(48, 2, 48, 2).mean(axis=(1, 3))
    assert np.abs(seen - mean).max() <= 0.5


def test_planes_of_another_size_are_refused() -> None:
    with pytest.raises(BadInput, match=r"planes: \(1, 96, 96\), expected \(N, 128, 128\)"):
        network_planes(np.zeros((1, 96, 96), np.uint8), 28)
