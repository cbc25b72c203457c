"""Simulated figures look as the published ones were made: size, stretch, side of the bright edge, kinds."""

from collections import Counter

import numpy as np
import pytest

from phenostream.engine.optics.presets import Preset
from phenostream.trainer.likeness.simulated_figures import PoolSettings, simulate_figures
from phenostream.trainer.likeness.statistics import SCALARS, measure_pictures

KINDS = (("lymphocyte", 1), ("granulocyte", 2), ("monocyte", 2), ("red", 1))


@pytest.mark.parametrize("smooth_share", [0.0, 1.0])
@pytest.mark.parametrize("preset", ["easy", "hard"])
def test_pictures_are_as_published_with_the_bright_edge_on_the_right(
    preset: Preset, smooth_share: float
) -> None:
    pictures, kinds = simulate_figures(PoolSettings(preset, 2, KINDS, smooth_share))
    assert Counter(kinds) == dict(KINDS)
    for picture in pictures:
        assert picture.shape == (128, 128)
        assert picture.dtype == np.uint8
        assert np.ptp(picture) > 200
    dipole = measure_pictures(pictures).scalars[:, SCALARS.index("dipole")]
    assert np.median(dipole) > 10


def test_the_same_settings_give_the_same_pictures() -> None:
    settings = PoolSettings("hard", 3, (("red", 2), ("monocyte", 1)), 0.5)
    one, two = simulate_figures(settings)[0], simulate_figures(settings)[0]
    np.testing.assert_array_equal(one, two)
