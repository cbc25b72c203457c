"""A picture classifier on disk: a folder of `model.safetensors` in float16 and `card.json`, which says what it is.

The card holds the hash of the weights; a folder whose files do not belong together is refused.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from phenostream.engine.errors import BadInput, EngineFault
from phenostream.trainer.classifier.model import PictureClassifier
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.classifier.settings import FitSettings
from phenostream.trainer.evaluation.schema.figure import Closed, Count, Figure
from phenostream.trainer.written_whole import write_whole

WEIGHTS: Final = "model.safetensors"
CARD: Final = "card.json"
_LARGEST_CARD: Final = 1 << 20
_LARGEST_WEIGHTS: Final = 64 << 20
_UNREADABLE: Final = (
    OSError,
    ValueError,
    RecursionError,
    KeyError,
    RuntimeError,
    BadInput,
    ValidationError,
    SafetensorError,
)

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class TrainedOn(Closed):
    """Pictures that a model learnt from, or that choices were made on.

    Attributes:
        name: Of the data, and what part of them.
        use: ``training``, ``selection`` of settings, or ``temperature``.
        sha256: Of the pictures as they were fed (`Pictures.sha256`).
        counts: Pictures per kind.
        groups: Cells or fields that they come from.
    """

    name: str
    use: Literal["training", "selection", "temperature"]
    sha256: Sha256
    counts: dict[str, Count]
    groups: Count

    @classmethod
    def of(
        cls, name: str, use: Literal["training", "selection", "temperature"], pictures: Pictures
    ) -> "TrainedOn":
        """Describe these pictures."""
        groups = len(set(pictures.group.tolist()))
        return cls(
            name=name, use=use, sha256=pictures.sha256(), counts=pictures.counts(), groups=groups
        )


class Measured(Closed):
    """One figure and what it was measured on."""

    name: str
    data: str
    figure: Figure


class PictureCard(Closed):
    """Everything about a picture classifier that its weights do not say.

    Attributes:
        task: What kind of pictures it is for.
        synthetic: It learnt from simulated cells only.
        description: For a person; one or two sentences.
        trained_on: All pictures that had a say in it.
        temperature: Divides the logits.
        metrics: Measured when it was made, each with its interval.
        weights_sha256: Of the file beside the card.
    """

    format: Literal["picture-classifier-1"] = "picture-classifier-1"
    name: str
    version: str
    task: Literal["single-shot", "bccd"]
    synthetic: bool
    description: str
    trained_on: tuple[TrainedOn, ...]
    settings: FitSettings
    scaling: Scaling
    temperature: Annotated[float, Field(ge=0.05, le=20)]
    metrics: tuple[Measured, ...] = ()
    licence: str
    weights_sha256: Sha256 = "0" * 64


@dataclass(frozen=True, slots=True)
class PictureCheckpoint:
    """A model and its card."""

    model: PictureClassifier
    card: PictureCard


def save_classifier(checkpoint: PictureCheckpoint, folder: Path) -> Path:
    """Write both files, the card last: without it the folder is no checkpoint. Returns `folder`.

    Raises:
        EngineFault: A weight does not fit float16.
        OSError: It cannot be written.
    """
    state = {name: _half(name, value) for name, value in checkpoint.model.state_dict().items()}
    weights = save(state)
    digest = hashlib.sha256(weights).hexdigest()
    card = checkpoint.card.model_copy(update={"weights_sha256": digest})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    write_whole(folder / WEIGHTS, weights)
    write_whole(folder / CARD, (card.model_dump_json(indent=1) + "\n").encode())
    return folder


def load_classifier(folder: Path, task: Literal["single-shot", "bccd"]) -> PictureCheckpoint:
    """Read a folder of `save_classifier`; the model computes in float32.

    Raises:
        BadInput: A file is missing, altered, of another schema, for another task, or does not fit the network.
    """
    try:
        card = PictureCard.model_validate(json.loads(_limited(folder / CARD, _LARGEST_CARD)))
        weights = _limited(folder / WEIGHTS, _LARGEST_WEIGHTS)
        found = hashlib.sha256(weights).hexdigest()
        if found != card.weights_sha256:
            raise BadInput(
                f"{WEIGHTS}: sha256 {found[:16]}, the card says {card.weights_sha256[:16]}"
            )
        model = PictureClassifier(card.settings.network, card.scaling, card.temperature)
        model.load_state_dict(load(weights))
    except _UNREADABLE as err:
        reason = " ".join(str(err).split())[:200]
        raise BadInput(f"{folder}: not a picture classifier: {reason}") from err
    if card.task != task:
        raise BadInput(f"{folder}: a model for {card.task}; needed one for {task}")
    return PictureCheckpoint(model.eval(), card)


def _half(name: str, value: torch.Tensor) -> torch.Tensor:
    if not value.is_floating_point():
        return value.contiguous()
    narrow = value.to(torch.float16).contiguous()
    if not torch.isfinite(narrow).all():
        raise EngineFault(f"{name}: a weight of {float(value.abs().max()):g} does not fit float16")
    return narrow


def _limited(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise BadInput(f"{path.name}: more than {most} bytes")
    return content
