"""Who of a committee is asked about a picture."""

import numpy as np
import pytest
import torch
from torch import nn

from phenostream.trainer.bccd.answers import answers
from phenostream.trainer.bccd.recipe import recipes
from phenostream.trainer.classifier.checkpoint import PictureCard, PictureCheckpoint
from phenostream.trainer.classifier.model import PictureClassifier
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.pyramid import PyramidOptions
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.data.bccd.placing import NEW

pytestmark = pytest.mark.trainer


class _Sure(PictureClassifier):
    """Says one class of every picture, whatever it shows."""

    def __init__(self, kind: int) -> None:
        super().__init__(NETWORK, Scaling())
        last = self.phenotyper.classes
        assert isinstance(last, nn.Linear)
        last.weight.data.zero_()
        last.bias.data = 20.0 * torch.eye(3)[kind]


NETWORK = PyramidOptions(widths=(8, 16), inputs="rgb", crop_px=28)


def members() -> tuple[PictureCheckpoint, ...]:
    """Two kinds of network, two folds: for the first fold two that say lymphocyte, else monocyte and granulocyte."""
    settings = recipes()[0].model_copy(update={"network": NETWORK, "precision": "fp32"})
    card = PictureCard(
        name="toy",
        version="1",
        task="bccd",
        synthetic=False,
        description="",
        licence="",
        trained_on=(),
        settings=settings,
        scaling=Scaling(),
        temperature=1,
    )
    return tuple(PictureCheckpoint(_Sure(kind), card) for kind in (0, 2, 0, 1))


def test_all_are_asked_about_what_is_new_and_some_about_what_the_others_have_seen() -> None:
    images = np.zeros((3, 3, 28, 28), np.uint8)
    none = np.zeros(3, np.int32)
    pictures = Pictures(images, none, none, ("a", "b", "c"))
    steps: list[int] = []
    said = answers(
        members(),
        pictures,
        np.array([0, NEW, 1], np.uint8),
        2,
        lambda what, more, total: steps.append(more) if total == 8 else None,
    )
    expected = np.array([[1, 0, 0], [0.5, 0.25, 0.25], [0, 0.5, 0.5]])
    assert said == pytest.approx(expected, abs=1e-6)
    assert sum(steps) == 8  # of the new picture all four were asked, of the others two
