"""Figures per picture and per original."""

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.bccd.judging import judge
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings

HOW = BootstrapSettings(resamples=200)


def test_an_original_counts_once_however_many_pictures_it_has() -> None:
    original = np.array([7] * 30 + [8] * 2 + [9] * 2, np.int32)
    kind = np.array([0] * 30 + [1] * 2 + [2] * 2, np.int32)
    probability = np.eye(3, dtype=np.float32)[kind]
    probability[:30] = (0.2, 0.7, 0.1)  # the large original is called wrong in all its pictures
    judged = judge(kind, original, probability, HOW)
    assert judged.by_picture.accuracy.value == pytest.approx(4 / 34)
    assert judged.by_original.accuracy.value == pytest.approx(2 / 3)
    assert judged.by_original.confusion.counts == ((0, 1, 0), (0, 1, 0), (0, 0, 1))
    assert (judged.pictures, judged.originals) == (34, 3)


def test_most_pictures_decide_and_a_tie_goes_to_the_surer_side() -> None:
    original = np.array([0, 0, 0, 1, 1], np.int32)
    kind = np.array([0, 0, 0, 2, 2], np.int32)
    probability = np.array(
        [[0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0, 1, 0], [0.6, 0, 0.4], [0, 0, 1]], np.float32
    )
    judged = judge(kind, original, probability, HOW)
    assert judged.by_original.accuracy.value == 1
    assert judged.by_picture.accuracy.value == pytest.approx(3 / 5)


def test_intervals_are_over_originals() -> None:
    rng = np.random.default_rng(0)
    original = np.repeat(np.arange(12), 100).astype(np.int32)
    kind = (original % 3).astype(np.int32)
    right = rng.random(12)[original] < 0.7
    probability = np.eye(3, dtype=np.float32)[np.where(right, kind, (kind + 1) % 3)]
    figure = judge(kind, original, probability, HOW).by_picture.accuracy
    assert figure.low is not None
    assert figure.high is not None
    assert figure.high - figure.low > 0.3  # 1,200 independent pictures would give 0.05


def test_no_picture_is_refused() -> None:
    none = np.zeros(0, np.int32)
    with pytest.raises(BadInput, match="no picture to judge"):
        judge(none, none, np.zeros((0, 3), np.float32), HOW)
