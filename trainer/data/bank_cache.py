"""Rendered cells kept in a folder, so that a simulator starts in a moment the second time.

Shared by the trainer and the simulated microscope; knows files and nothing of cells. A damaged file is rendered again.
"""

import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.errors import BadInput
from phenostream.engine.optics.rendering import (
    BankSpec,
    CellBank,
    pack_bank,
    render_bank,
    unpack_bank,
)

logger = logging.getLogger(__name__)


def load_or_render(
    folder: Path,
    spec: BankSpec,
    on_object: Callable[[], object] = lambda: None,
    xp: ModuleType = np,
) -> CellBank:
    """The bank of a spec from the folder, or rendered and put there.

    Args:
        folder: Made if needed.
        spec: What the bank holds.
        on_object: Called after each object that has to be rendered.
        xp: Array namespace that renders, numpy or torch; each keeps its own files.

    Raises:
        OSError: The folder cannot be written.
    """
    path = bank_path(folder, spec, xp)
    bank = _load(path, spec)
    if bank is None:
        bank = render_bank(spec, on_object, xp)
        _save(path, bank)
    return bank


def bank_path(folder: Path, spec: BankSpec, xp: ModuleType = np) -> Path:
    """The file of a spec rendered by a namespace, whether it exists or not."""
    by = "" if xp is np else f"-{xp.__name__}"
    return folder / f"cells-{spec.purpose}-{spec.preset}-{spec.key}{by}.npz"


def _load(path: Path, spec: BankSpec) -> CellBank | None:
    if not path.exists():
        return None
    try:
        size = path.stat().st_size  # nothing in it is compressed
        with path.open("rb") as file, ArrayArchive(file, size) as data:
            return unpack_bank(spec, {name: data.read(name) for name in data.sizes})
    except (OSError, ValueError, TypeError, BadInput) as err:
        logger.warning("%s is damaged and its cells are rendered again: %s", path, err)
        return None


def _save(path: Path, bank: CellBank) -> None:
    """The file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as out:
        try:
            np.savez(out, **pack_bank(bank))  # type: ignore[arg-type]  # its stub takes the flags for arrays too
            out.flush()
            os.replace(out.name, path)
        except BaseException:
            os.unlink(out.name)
            raise
