"""The picture classifier: pixels in, three class probabilities and a probability of "no white cell" out.

Knows scaling, network, temperature, and how the opinions on several views of one picture become one. Which views show
the same cell is the task's affair.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, F32, I32
from phenostream.trainer.calibration.probabilities import probabilities
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.pyramid import Pyramid, PyramidOptions
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.network.model import Phenotyper, RawOutputs
from phenostream.trainer.network.network_options import NetworkOptions

View = Callable[[Tensor], Tensor]
"""Makes of pixels (B, C, S, S), 0 to 255, others of the same shape that show the same cells."""

_SHARPEST, _FLATTEST = 0.1, 10.0
"""Least and largest temperature."""


def as_it_is(images: Tensor) -> Tensor:
    """The view that changes nothing."""
    return images


def upside_down(images: Tensor) -> Tensor:
    """Rows in reverse order: the side that light comes from along the columns stays."""
    return images.flip(2)


def square_views() -> tuple[View, ...]:
    """The eight flips and quarter turns of a square, for pictures that have no up and no light from a side."""

    def turned(count: int, mirrored: bool) -> View:
        def view(images: Tensor) -> Tensor:
            return torch.rot90(images.flip(3) if mirrored else images, count, (2, 3))

        return view

    return tuple(turned(count, mirrored) for mirrored in (False, True) for count in range(4))


@dataclass(frozen=True, slots=True)
class PicturePredictions:
    """What the model says of N pictures, N may be 0.

    Attributes:
        logits: (N, 3) mean over the views, before the temperature.
        probability: (N, 3) calibrated, summing to 1; of a white cell.
        reject_probability: (N,) that it is no white cell; below 1e-40 where the model has never seen any such.
    """

    logits: F32
    probability: F32
    reject_probability: F32

    @property
    def predicted(self) -> I32:
        """(N,) most probable class."""
        most: I32 = self.probability.argmax(axis=1).astype(np.int32)
        return most


class PictureClassifier(nn.Module):
    """Scaling and network as one module, so that statistics of its norms can be re-estimated from plain pixels.

    Attributes:
        scaling: Of the pixels.
        phenotyper: The network, with task "classes" only.
        temperature: Divides the logits before the softmax.
    """

    def __init__(
        self,
        options: NetworkOptions | PyramidOptions,
        scaling: Scaling,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.options, self.scaling, self.temperature = options, scaling, temperature
        self.phenotyper = _network(options)
        for parameter in self.parameters():
            if parameter.ndim == 4:  # the layout that convolutions are quickest in
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> RawOutputs:
        """(B, C, S, S) pixels of 0 to 255 to raw outputs in the type of the network's body."""
        x = self.scaling(images).contiguous(memory_format=torch.channels_last)
        raw: RawOutputs = self.phenotyper(x)
        return raw

    def predict(
        self,
        pictures: Pictures,
        views: Sequence[View] = (as_it_is,),
        narrow: torch.dtype | None = None,
        batch: int = 256,
    ) -> PicturePredictions:
        """Judge every picture in every view; the module is left in evaluation mode.

        Args:
            pictures: Of the size and number of planes that the network was made for.
            views: One or more; logits are averaged over them.
            narrow: Compute the body in this type, which is quicker.
            batch: Pictures at a time.

        Raises:
            BadInput: The pictures do not fit the network.
        """
        self._refuse_misfit(pictures)
        self.eval()
        logits = np.zeros((len(pictures), len(CLASSES)), np.float32)
        reject = np.zeros(len(pictures), np.float32)
        device = next(self.parameters()).device
        autocast = torch.autocast(device.type, narrow or torch.bfloat16, enabled=narrow is not None)
        with torch.inference_mode(), autocast:
            for start in range(0, len(pictures), batch):
                rows = slice(start, start + batch)
                images = torch.from_numpy(pictures.images[rows]).to(device)
                seen = [self(view(images)) for view in views]
                logits[rows] = _mean([raw.class_logits for raw in seen])
                reject[rows] = _mean([raw.reject_logit for raw in seen])
        odds = np.exp(-reject.astype(np.float64).clip(-500, 500))
        return PicturePredictions(
            logits,
            probabilities(logits, self.temperature, 0.0).astype(np.float32),
            (1 / (1 + odds)).astype(np.float32),
        )

    def _refuse_misfit(self, pictures: Pictures) -> None:
        expected = (self.options.channels, self.options.crop_px, self.options.crop_px)
        if pictures.images.shape[1:] != expected:
            raise BadInput(
                f"pictures: shape {pictures.images.shape[1:]}, this model takes {expected}"
            )


def _network(options: NetworkOptions | PyramidOptions) -> Phenotyper | Pyramid:
    if isinstance(options, PyramidOptions):
        return Pyramid(options)
    if options.tasks != "classes" or options.inputs not in ("single", "rgb"):
        raise BadInput(
            f"network: tasks {options.tasks}, inputs {options.inputs}; a picture classifier needs tasks classes"
            " and inputs single or rgb"
        )
    return Phenotyper(options)


def _mean(of_views: Sequence[Tensor]) -> F32:
    return np.asarray(torch.stack(list(of_views)).float().mean(dim=0).cpu().numpy(), np.float32)


def fit_temperature(logits: F32, kind: I32) -> float:
    """The temperature, 0.1 to 10, under which the true classes are likeliest.

    Args:
        logits: (N, 3), N at least 1.
        kind: (N,) true class.
    """
    rows = np.arange(len(kind))

    def loss(log_temperature: float) -> float:
        p = probabilities(logits, float(np.exp(log_temperature)), 0.0)
        return float(-np.log(p[rows, kind].clip(min=1e-300)).mean())

    bounds = (float(np.log(_SHARPEST)), float(np.log(_FLATTEST)))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
