"""How the classifier of stained cells is trained and asked: what was chosen, and why, is in decision 0049.

Every picture of an original shows the same cell, so originals are what is drawn, each as often as any other of its
class. The crop has no up and no light from a side: all flips and turns show the same cell.
"""

from typing import Final

from phenostream.trainer.classifier.model import View, as_it_is
from phenostream.trainer.classifier.settings import AugmentationSettings, FitSettings
from phenostream.trainer.network.network_options import NetworkOptions

SIDE_PX: Final = 48
"""Side of the crop, for a CPU; 64, 96 and 128 are for a GPU."""
_AUGMENTATION: Final = AugmentationSettings(
    flips="both",
    turns=True,
    rotation_deg=45,
    scale=0.15,
    stretch=0.15,
    shear=0.15,
    shift=0.06,
    brightness=0.03,
    contrast=0.12,
    gamma=0.12,
    plane_gain=0.08,
    saturation=0.25,
    noise=0.03,
    blur_px=1.0,
    erased=0.35,
)


def recipe(side_px: int = SIDE_PX) -> FitSettings:
    """The settings that the model that comes with the program was trained with."""
    network = NetworkOptions.model_validate(
        {"tasks": "classes", "inputs": "rgb", "crop_px": side_px}
    )
    return FitSettings(
        epochs=8,
        pictures_per_epoch=3072,
        batch=64,
        peak_rate=1.5e-3,
        weight_decay=0.05,
        smoothing=0.05,
        draw="groups",
        average=0.98,
        augmentation=_AUGMENTATION,
        network=network,
    )


def views() -> tuple[View, ...]:
    """A picture as it is, and under the three flips: the logits of four opinions are averaged."""
    return (
        as_it_is,
        lambda images: images.flip(2),
        lambda images: images.flip(3),
        lambda images: images.flip((2, 3)),
    )
