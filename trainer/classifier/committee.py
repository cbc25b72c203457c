"""Several picture classifiers that answer as one: the mean of their calibrated probabilities.

Trainings that differ in nothing but their seed disagree on pictures unlike the training's, each in its own way; their
mean has less of that spread (Lakshminarayanan et al., "Deep ensembles", NeurIPS 2017). Members may see pictures of
different sides. On disk: a folder with a checkpoint per member and `committee.json`, which names the hash of each.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field, ValidationError

from phenostream.engine.errors import BadInput
from phenostream.trainer.classifier.checkpoint import (
    CARD,
    Measured,
    PictureCheckpoint,
    Sha256,
    load_classifier,
    save_classifier,
)
from phenostream.trainer.classifier.model import PicturePredictions
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.evaluation.schema.figure import Closed
from phenostream.trainer.written_whole import write_whole

COMMITTEE: Final = "committee.json"
_LARGEST: Final = 1 << 20
_MOST_MEMBERS: Final = 32
_LEAST_PROBABILITY: Final = 1e-30

PicturesAt = Callable[[int], Pictures]
"""Gives the same pictures at a side in pixels."""


class Member(Closed):
    """One of them: its folder beside the list, and the hash of its weights."""

    folder: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    weights_sha256: Sha256


class CommitteeCard(Closed):
    """What a committee is; each member has a card of its own.

    Attributes:
        task: What kind of pictures it is for.
        synthetic: Its members learnt from simulated cells only.
        description: For a person; one or two sentences.
        metrics: Of all members together.
        register_sha256: Of the file beside them that says what each has not seen, where there is one.
    """

    format: Literal["picture-committee-1"] = "picture-committee-1"
    name: str
    version: str
    task: Literal["single-shot", "bccd"]
    synthetic: bool
    description: str
    members: Annotated[tuple[Member, ...], Field(max_length=_MOST_MEMBERS)] = ()
    metrics: tuple[Measured, ...] = ()
    register_sha256: Sha256 | None = None
    licence: str


@dataclass(frozen=True, slots=True)
class Committee:
    """Members, one or more, and what they are together."""

    members: tuple[PictureCheckpoint, ...]
    card: CommitteeCard

    def predict(
        self,
        pictures: PicturesAt,
        said: Callable[[PictureCheckpoint, Pictures], PicturePredictions],
    ) -> PicturePredictions:
        """The pooled opinion.

        Args:
            pictures: Of the side that a member takes.
            said: What one member says of them.
        """
        return pooled([said(one, pictures(one.model.options.crop_px)) for one in self.members])


def pooled(opinions: Sequence[PicturePredictions]) -> PicturePredictions:
    """The mean of calibrated probabilities; its logits are their logarithms.

    Args:
        opinions: One or more, of the same pictures.
    """
    probability = np.mean([one.probability for one in opinions], axis=0).astype(np.float32)
    reject = np.mean([one.reject_probability for one in opinions], axis=0).astype(np.float32)
    logits = np.log(np.maximum(probability, _LEAST_PROBABILITY)).astype(np.float32)
    return PicturePredictions(logits, probability, reject)


def member_folder(number: int) -> str:
    """Name of a member's folder in the committee's; the first number is 0."""
    return f"member-{number + 1}"


def save_committee(committee: Committee, folder: Path) -> Path:
    """Write every member, then the list of them, without which the folder is no committee. Returns `folder`.

    Raises:
        EngineFault: A weight does not fit float16.
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in (COMMITTEE, CARD):  # a card in the folder itself would make it another model
        (folder / earlier).unlink(missing_ok=True)
    members = []
    for number, one in enumerate(committee.members):
        name = member_folder(number)
        save_classifier(one, folder / name)
        written = json.loads((folder / name / CARD).read_text())
        members.append(Member(folder=name, weights_sha256=written["weights_sha256"]))
    card = committee.card.model_copy(update={"members": tuple(members)})
    write_whole(folder / COMMITTEE, (card.model_dump_json(indent=1) + "\n").encode())
    return folder


def load_committee(folder: Path, task: Literal["single-shot", "bccd"]) -> Committee:
    """Read a folder of `save_committee`; a folder of `save_classifier` is a committee of one.

    Raises:
        BadInput: It is neither, a member is not the one that is listed, or it is for another task.
    """
    if (folder / CARD).exists() and not (folder / COMMITTEE).exists():
        return _alone(load_classifier(folder, task))
    try:
        with (folder / COMMITTEE).open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise BadInput(f"more than {_LARGEST} bytes")
        card = CommitteeCard.model_validate(json.loads(content))
        if not card.members:
            raise BadInput("it lists no member")
    except (OSError, ValueError, RecursionError, ValidationError, BadInput) as err:
        reason = " ".join(str(err).split())[:200]
        raise BadInput(f"{folder}: not a committee of picture classifiers: {reason}") from err
    if card.task != task:
        raise BadInput(f"{folder}: a model for {card.task}; needed one for {task}")
    members = []
    for listed in card.members:
        one = load_classifier(folder / listed.folder, task)
        if one.card.weights_sha256 != listed.weights_sha256:
            raise BadInput(
                f"{folder / listed.folder}: weights {one.card.weights_sha256[:16]},"
                f" {COMMITTEE} says {listed.weights_sha256[:16]}"
            )
        members.append(one)
    return Committee(tuple(members), card)


def _alone(checkpoint: PictureCheckpoint) -> Committee:
    card = checkpoint.card
    return Committee(
        (checkpoint,),
        CommitteeCard(
            name=card.name,
            version=card.version,
            task=card.task,
            synthetic=card.synthetic,
            description=card.description,
            metrics=card.metrics,
            licence=card.licence,
        ),
    )
