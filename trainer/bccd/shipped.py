"""A committee of stained cells with its register, from a folder; and the one that comes with the program."""

from pathlib import Path
from typing import Final

from phenostream.engine.errors import BadInput
from phenostream.trainer.bccd.evaluation import Subject
from phenostream.trainer.bccd.training import REGISTER
from phenostream.trainer.classifier.committee import load_committee
from phenostream.trainer.data.bccd.register import load_register

SHIPPED: Final = Path(__file__).parents[1] / "weights" / "bccd"


def load_subject(folder: Path) -> Subject:
    """Read a folder that `train --dataset bccd` wrote.

    Raises:
        BadInput: A file is missing, altered or of something else.
    """
    committee, register = load_committee(folder, "bccd"), load_register(folder / REGISTER)
    members = len(committee.members)
    if not register.folds or members % register.folds:
        raise BadInput(f"{folder}: {members} members, {REGISTER} has {register.folds} folds")
    return Subject(committee, register)
