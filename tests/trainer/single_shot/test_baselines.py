"""Baselines that are fitted to real labels: on pictures where they must succeed, and where they must fail."""

import numpy as np
import pytest

from phenostream.trainer.single_shot.baselines import gradients, left_out_once, sizes
from tests.trainer.single_shot.toy_shots import drawn

pytestmark = pytest.mark.trainer


def test_discs_of_three_sizes_are_told_apart_by_size() -> None:
    labels = ("lymphocyte", "granulocyte", "monocyte")
    images = np.stack([drawn(label, seed) for label in labels for seed in range(4)])
    kind = np.repeat(np.arange(3, dtype=np.int32), 4)
    probability = left_out_once(sizes(images), kind)
    assert np.array_equal(probability.argmax(axis=1), kind)
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-5)


def test_a_row_is_judged_without_its_own_label() -> None:
    features = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [0.1]])
    kind = np.array([0, 0, 0, 1, 1, 1], np.int32)
    assert left_out_once(features, kind)[5].argmax() == 0


def test_gradients_follow_direction_and_not_brightness_or_gain() -> None:
    line = np.broadcast_to(np.linspace(20, 120, 128), (128, 128))
    across, down = line.astype(np.uint8), line.T.astype(np.uint8)
    found = gradients(np.stack([across, down, across + 60]))
    assert found.shape == (3, 324)
    np.testing.assert_allclose(found[0], found[2], atol=0.05)
    assert np.abs(found[0] - found[1]).max() > 0.3
