"""How the classifier of stained cells is trained and asked: what was chosen, and why, is in decision 0049.

Every picture of an original shows the same cell, so originals are what is drawn, each as often as any other of its
class. The crop has no up and no light from a side: all flips and turns show the same cell.
"""

from typing import Final

from phenostream.trainer.classifier.model import View, as_it_is
from phenostream.trainer.classifier.pyramid import PyramidOptions
from phenostream.trainer.classifier.settings import AugmentationSettings, FitSettings
from phenostream.trainer.network.network_options import NetworkOptions

SIDE_PX: Final = 48
"""Side of the crop, for a CPU; 64, 96 and 128 are for a GPU."""
FOLDS: Final = 5
"""Of the originals; each member of the committee does not see one of them."""
_WIDTHS: Final = (16, 32, 64, 128)
_AUGMENTATION: Final = AugmentationSettings(
    flips="both",
    turns=True,
    rotation_deg=45,
    scale=0.12,
    stretch=0.1,
    shear=0.1,
    shift=0.06,
    brightness=0.03,
    contrast=0.1,
    gamma=0.1,
    plane_gain=0.06,
    saturation=0.15,
    noise=0.015,
    blur_px=0.8,
    erased=0.25,
)


def recipes(side_px: int = SIDE_PX) -> tuple[FitSettings, ...]:
    """The settings of the networks that judge one fold together: the published one, and a small pyramid.

    Each further fold has the next seed. The two go wrong on different cells (decision 0049).
    """
    network = NetworkOptions.model_validate(
        {"tasks": "classes", "inputs": "rgb", "crop_px": side_px}
    )
    published = FitSettings(
        epochs=30,
        pictures_per_epoch=1536,
        batch=16,
        peak_rate=1e-3,
        weight_decay=0.05,
        smoothing=0.05,
        draw="groups",
        average=0.99,
        augmentation=_AUGMENTATION,
        network=network,
    )
    pyramid = {
        "epochs": 24,
        "pictures_per_epoch": 2048,
        "batch": 32,
        "peak_rate": 2e-3,
        "seed": published.seed + FOLDS,
        "network": PyramidOptions(widths=_WIDTHS, inputs="rgb", crop_px=network.crop_px),
    }
    return published, published.model_copy(update=pyramid)


def views() -> tuple[View, ...]:
    """A picture as it is, and turned by half: each network has two opinions, whose logits are averaged."""
    return (as_it_is, lambda images: images.flip((2, 3)))
