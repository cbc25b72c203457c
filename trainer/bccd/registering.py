"""The register of a training: found by image matching, or read again where a folder has one of the same files."""

import hashlib
from pathlib import Path
from typing import Final

import numpy as np

from phenostream.engine.errors import BadInput
from phenostream.engine.types import I32
from phenostream.trainer.bccd.answers import OnStep
from phenostream.trainer.bccd.recipe import FOLDS
from phenostream.trainer.classifier.committee import COMMITTEE
from phenostream.trainer.data.bccd.folds import fold_originals
from phenostream.trainer.data.bccd.landmarks import LandmarkFinder
from phenostream.trainer.data.bccd.originals import original_of
from phenostream.trainer.data.bccd.register import (
    UNKNOWN,
    Register,
    load_register,
    make_register,
    save_register,
)
from phenostream.trainer.data.bccd.smears import Smears

REGISTER: Final = "originals.npz"
"""File beside the members that says which of them have not seen an original."""
_FOLD_SEED: Final = 9
"""Of the folds, whatever the seed of a training: seeds are compared on the same originals."""


def registered(smears: Smears, folder: Path, on_step: OnStep) -> tuple[Register, I32]:
    """The register, which is in the folder afterwards, and (N,) the original of each picture.

    One that is there is used again where it knows every file and has pictures in every fold; else a new one replaces
    it, and with it the committee that belonged to it.

    Raises:
        BadInput: A class has too few originals.
        OSError: The folder cannot be written.
    """
    path = folder / REGISTER
    there = _known(smears, path)
    if there is not None:
        return there
    finder, landmarks = LandmarkFinder(), []
    for image in smears.images:
        landmarks.append(finder.find(image))
        on_step("find landmarks", 1, len(smears))
    original = original_of(
        landmarks, on_done=lambda more: on_step("match originals", more, len(smears))
    )
    fold = fold_originals(smears.kind, original, FOLDS, _FOLD_SEED)
    register = make_register(smears.sha256, original, fold, landmarks)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / COMMITTEE).unlink(missing_ok=True)
    save_register(register, path)
    return register, original


def register_sha256(folder: Path) -> str:
    """Of the register's file.

    Raises:
        BadInput: There is none.
    """
    try:
        return hashlib.sha256((folder / REGISTER).read_bytes()).hexdigest()
    except OSError as err:
        raise BadInput(f"{folder / REGISTER}: no register of originals ({err})") from err


def _known(smears: Smears, path: Path) -> tuple[Register, I32] | None:
    try:
        register = load_register(path)
    except BadInput:  # none, damaged, or of an earlier version
        return None
    original = register.known(smears.sha256)
    if (original == UNKNOWN).any() or register.folds != FOLDS:
        return None
    complete = set(range(FOLDS)) <= set(np.unique(register.fold[original]).tolist())
    return (register, original) if complete else None
