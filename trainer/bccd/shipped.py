"""A committee of stained cells with its register, from a folder; and the one that comes with the program."""

from pathlib import Path
from typing import Final

from phenostream.engine.errors import BadInput
from phenostream.trainer.bccd.evaluation import Subject
from phenostream.trainer.bccd.registering import REGISTER, register_sha256
from phenostream.trainer.classifier.committee import COMMITTEE, load_committee
from phenostream.trainer.data.bccd.register import load_register

SHIPPED: Final = Path(__file__).parents[1] / "weights" / "bccd"


def load_subject(folder: Path) -> Subject:
    """Read a folder that `train --dataset bccd` wrote.

    Raises:
        BadInput: A file is missing, altered, of something else, or the register is not the one of these members.
    """
    committee = load_committee(folder, "bccd")
    found, listed = register_sha256(folder), committee.card.register_sha256
    if found != listed:
        raise BadInput(
            f"{folder / REGISTER}: sha256 {found[:16]}, {COMMITTEE} says {(listed or 'nothing')[:16]}"
        )
    register, members = load_register(folder / REGISTER), len(committee.members)
    if not register.folds or members % register.folds:
        raise BadInput(
            f"{folder}: {members} members for {register.folds} folds; need as many for each"
        )
    sides = {one.model.options.crop_px for one in committee.members}
    if len(sides) > 1:
        raise BadInput(f"{folder}: members see {sorted(sides)} px; need one side")
    return Subject(committee, register)
