"""The small network: what it says has the right shape, every place sees the whole picture, and it learns."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from phenostream.trainer.classifier.fit import fit
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.pyramid import Pyramid, PyramidOptions
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.classifier.settings import FitSettings

pytestmark = pytest.mark.trainer


@pytest.mark.parametrize(("side_px", "widths"), [(28, (32, 64, 128)), (64, (16, 32, 64, 128))])
def test_each_place_of_the_last_stage_sees_the_whole_picture(
    side_px: int, widths: tuple[int, ...]
) -> None:
    options = PyramidOptions.model_validate({"crop_px": side_px, "widths": widths})
    network = Pyramid(options).eval()
    x = torch.randn(1, 1, side_px, side_px, requires_grad=True)
    maps = network.body(x)
    assert maps.shape[1] == widths[-1]
    middle = maps.shape[-1] // 2
    (seen,) = torch.autograd.grad(maps[0, :, middle, middle].sum(), x)
    rows = seen[0, 0].abs().sum(dim=1).nonzero()
    assert rows.max() - rows.min() >= side_px // 2
    raw = network(x)
    assert raw.class_logits.shape == (1, 3)
    assert raw.reject_logit.shape == (1,)


def test_a_silenced_reject_head_never_rejects() -> None:
    network = Pyramid(PyramidOptions(widths=(4,))).eval()
    network.silence_reject()
    assert (network(100 * torch.randn(3, 1, 28, 28)).reject_logit == -100).all()


def test_it_learns_the_size_of_a_disc() -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28] - 13.5
    kind = np.arange(240, dtype=np.int32) % 3
    radius = np.array([5, 8, 11])[kind]
    planes = 90 + 60 * (np.hypot(y, x) < radius[:, None, None]) + rng.normal(0, 10, (240, 28, 28))
    images = planes.clip(0, 255).astype(np.uint8)[:, None]
    pictures = Pictures(images, kind, np.arange(240, dtype=np.int32), tuple(map(str, range(240))))
    settings = FitSettings(epochs=4, batch=16, network=PyramidOptions(widths=(8, 16)))
    model = fit(pictures, settings, Scaling())
    assert (model.predict(pictures).predicted == kind).mean() > 0.95


@pytest.mark.parametrize("widths", [(), (2,), (8,) * 6])
def test_impossible_widths_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        PyramidOptions(widths=widths)
