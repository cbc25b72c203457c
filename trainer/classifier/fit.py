"""Training a picture classifier: draw, change, step, average; the same seed gives the same weights on one machine."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from phenostream.engine.errors import BadInput, EngineFault
from phenostream.engine.types import CLASSES
from phenostream.trainer.classifier.augmentation import augment
from phenostream.trainer.classifier.model import PictureClassifier
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.classifier.settings import Draw, FitSettings
from phenostream.trainer.network.model import RawOutputs
from phenostream.trainer.training.losses import reject_loss
from phenostream.trainer.training.precision import Precision, choose
from phenostream.trainer.training.recipe import learning_rate

_CLIP_NORM: Final = 1.0
_MOST_PER_PICTURE: Final = 4
"""Draws of an epoch, for each picture there is."""

OnEpoch = Callable[[int, float, PictureClassifier], None]
"""Called after each epoch with its number from 1, its mean loss, and the model as it would be kept."""


def fit(
    train: Pictures,
    settings: FitSettings,
    scaling: Scaling,
    on_epoch: OnEpoch | None = None,
    start: PictureClassifier | None = None,
) -> PictureClassifier:
    """A trained model of temperature 1, in evaluation mode, in float32.

    Args:
        train: What to learn from; unlabelled pictures are passed over. With nothing foreign among them the reject head
            is silenced.
        settings: Of the training.
        scaling: Of the pixels.
        on_epoch: Is told how it goes.
        start: A model of the same shape to go on from, which stays as it is; None: random weights.

    Raises:
        BadInput: A class has no picture, or the pictures do not fit the network.
        EngineFault: The loss is no longer finite.
    """
    train = train.select(train.kind >= 0)
    _refuse_untrainable(train, settings)
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    precision = choose(settings)
    model = PictureClassifier(settings.network, scaling)
    if start is not None:
        model.load_state_dict(start.state_dict())
    model.to(precision.device)
    teach_reject = settings.reject > 0 and bool(train.foreign.any())
    if not teach_reject:
        model.phenotyper.silence_reject()
        for parameter in model.phenotyper.reject.parameters():
            parameter.requires_grad_(False)
    kept = _Average(model, settings.average)
    stepper = _Stepper(model, _optimiser(model, settings), precision, settings)
    generator = torch.Generator().manual_seed(settings.seed)
    step, steps = 0, settings.epochs * _steps(train, settings)
    for epoch in range(settings.epochs):
        total = 0.0
        model.train()
        for rows in _batches(train, settings, generator):
            stepper.rate(learning_rate(step, steps, settings.peak_rate))
            pixels = torch.from_numpy(train.images[rows])
            pixels = augment(pixels, settings.augmentation, generator)
            kind = torch.from_numpy(train.kind[rows]).long()
            total += stepper.step(pixels, kind)
            kept.follow(model)
            step += 1
        loss = total / _steps(train, settings)
        if not np.isfinite(loss):
            raise EngineFault(
                f"training: the loss of epoch {epoch + 1} is {loss}; try a lower peak_rate"
            )
        if on_epoch is not None:
            on_epoch(epoch + 1, loss, kept.model.eval())
    return kept.model.cpu().eval().requires_grad_(True)


def drawing_chances(train: Pictures, draw: Draw) -> npt.NDArray[np.float64]:
    """(N,) chance of each picture to be drawn, for `FitSettings.draw`; they sum to 1."""
    if draw == "pictures":
        return np.full(len(train), 1 / len(train))
    kinds, kind, in_kind = np.unique(train.kind, return_inverse=True, return_counts=True)
    if draw == "kinds":
        return np.asarray(1 / (len(kinds) * in_kind[kind]))
    pairs = np.stack([train.kind, train.group], axis=1)
    unique, pair, in_pair = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    groups = np.array([(unique[:, 0] == one).sum() for one in kinds])
    chance: npt.NDArray[np.float64] = 1 / (len(kinds) * groups[kind] * in_pair[pair.ravel()])
    return chance


class _Average:
    """A running mean of weights and norm statistics; with decay 0 it is the model itself."""

    def __init__(self, model: PictureClassifier, decay: float) -> None:
        self._decay, self._steps = decay, 0
        self.model = model
        if decay:
            self.model = deepcopy(model)

    @torch.no_grad()
    def follow(self, model: PictureClassifier) -> None:
        """Move towards the model; at first quickly, so that the start is forgotten."""
        if not self._decay:
            return
        self._steps += 1
        decay = min(self._decay, self._steps / (self._steps + 9))
        now = model.state_dict()
        for name, mean in self.model.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(now[name], 1 - decay)
            else:
                mean.copy_(now[name])


def _refuse_untrainable(train: Pictures, settings: FitSettings) -> None:
    expected = (settings.network.channels, settings.network.crop_px)
    if (train.planes, train.side_px) != expected:
        raise BadInput(
            f"pictures: {train.planes} planes of {train.side_px} px,"
            f" the network takes {expected[0]} of {expected[1]}"
        )
    for index, name in enumerate(CLASSES):
        if not (train.kind == index).any():
            raise BadInput(f"training pictures: no {name}; need at least one of each class")


def _steps(train: Pictures, settings: FitSettings) -> int:
    """Batches of an epoch; the last, incomplete one is left out."""
    wanted = settings.pictures_per_epoch or len(train)
    return max(1, min(wanted, _MOST_PER_PICTURE * len(train)) // settings.batch)


def _batches(
    train: Pictures, settings: FitSettings, generator: torch.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """Rows of each batch of one epoch."""
    count = _steps(train, settings) * settings.batch
    if settings.draw == "pictures" and count <= len(train):
        order = torch.randperm(len(train), generator=generator)[:count]
    else:
        chance = torch.from_numpy(drawing_chances(train, settings.draw))
        order = torch.multinomial(chance, count, replacement=True, generator=generator)
    for start in range(0, count, settings.batch):
        yield order[start : start + settings.batch].numpy()


def _optimiser(model: PictureClassifier, settings: FitSettings) -> torch.optim.Optimizer:
    """AdamW; norms, biases and single numbers are not decayed."""
    learnt = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learnt if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in learnt if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.peak_rate)


class _Stepper:
    """One step of the optimiser: forward, backward, clip, update."""

    def __init__(
        self,
        model: PictureClassifier,
        optimiser: torch.optim.Optimizer,
        precision: Precision,
        settings: FitSettings,
    ) -> None:
        self._model, self._optimiser, self._settings = model, optimiser, settings
        self._precision, self._scaler = precision, precision.scaler()

    def rate(self, rate: float) -> None:
        """Of the next steps."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate

    def step(self, pixels: Tensor, kind: Tensor) -> float:
        """The loss of this batch."""
        pixels, kind = pixels.to(self._precision.device), kind.to(self._precision.device)
        with self._precision.autocast():
            raw = self._model(pixels)
        loss = _loss(raw, kind, self._settings)
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(self._scaler.scale(loss))
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self._model.parameters(), _CLIP_NORM)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        return float(loss.detach())


def _loss(raw: RawOutputs, kind: Tensor, settings: FitSettings) -> Tensor:
    white = kind < len(CLASSES)
    logits = raw.class_logits.float()
    loss = logits.sum() * 0
    if white.any():
        loss = loss + functional.cross_entropy(
            logits[white], kind[white], label_smoothing=settings.smoothing
        )
    if raw.reject_logit.requires_grad and settings.reject:
        loss = loss + settings.reject * reject_loss(raw.reject_logit.float(), kind)
    return loss
