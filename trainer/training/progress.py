"""How far a training has come: its best score, and a file from which it goes on after an interruption."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from phenostream.engine.errors import BadInput
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.training.settings import TrainSettings
from phenostream.trainer.written_whole import write_whole

logger = logging.getLogger(__name__)

FILE: Final = "resume.safetensors"
_IRRELEVANT: Final = {"out", "threads", "tensorboard", "device"}
"""Settings that may change when a training goes on."""


@dataclass(frozen=True, slots=True)
class Score:
    """How good the weights were after one epoch, on the selection cells.

    Attributes:
        composite: Macro F1 plus mean marker r: what the best epoch is chosen by.
    """

    epoch: int
    loss: float
    accuracy: float
    macro_f1: float
    mean_r: float
    reject_auroc: float

    @property
    def composite(self) -> float:
        """Declared before any result was seen (SPEC c.1)."""
        return self.macro_f1 + self.mean_r


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known after some epochs.

    Attributes:
        done: Whole epochs behind us.
        best: Score of the best of them; None before the first.
        best_state: Its weights.
    """

    done: int
    best: Score | None
    best_state: dict[str, Tensor]

    def exhausted(self, patience: int | None) -> bool:
        """No better epoch has come for as long as a recipe waits."""
        if patience is None or self.best is None:
            return False
        return self.done - 1 - self.best.epoch >= patience


@dataclass(frozen=True, slots=True)
class Moving:
    """Everything that changes from step to step."""

    graph: BundleGraph
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler


def identity(settings: TrainSettings, cells: CellSet) -> str:
    """What must be equal for a training to go on: the settings and the content of the training cells."""
    chosen = settings.model_dump(mode="json", exclude=_IRRELEVANT)
    return json.dumps([chosen, cells.sha256()], sort_keys=True)


def keep(moving: Moving, progress: Progress, folder: Path, identity: str) -> None:
    """Write everything needed to go on into one file of tensors; complete or not at all.

    Raises:
        OSError: It cannot be written; the state of the epoch before is there still.
    """
    tensors = {f"now/{name}": value for name, value in moving.graph.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in progress.best_state.items()}
    for row, state in moving.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{row}/{name}": value for name, value in state.items()}
    note = {
        "done": str(progress.done),
        "best": json.dumps(asdict(progress.best) if progress.best else None),
        "scaler": json.dumps(moving.scaler.state_dict()),
        "identity": identity,
    }
    folder.mkdir(parents=True, exist_ok=True)
    content = save({name: value.cpu().contiguous() for name, value in tensors.items()}, note)
    write_whole(folder / FILE, content)


def resume(moving: Moving, folder: Path, identity: str) -> Progress:
    """Load what `keep` wrote for the same identity; otherwise start afresh.

    Raises:
        BadInput: The file is of the same identity but damaged.
    """
    path = folder / FILE
    note = _note(path)
    if note.get("identity") != identity:
        return Progress(0, None, {})
    try:
        progress = _restore(moving, note, load_file(path))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as err:
        reason = " ".join(str(err).split())[:200]
        raise BadInput(f"{path}: damaged ({reason}); remove it to start afresh") from err
    logger.info("going on after epoch %d", progress.done)
    return progress


def _restore(moving: Moving, note: dict[str, str], tensors: dict[str, Tensor]) -> Progress:
    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    moving.graph.load_state_dict(part("now/"))
    state: dict[int, dict[str, Any]] = {}
    for key, value in part("optimiser/").items():
        row, name = key.split("/")
        state.setdefault(int(row), {})[name] = value
    moving.optimiser.load_state_dict({**moving.optimiser.state_dict(), "state": state})
    scaler = json.loads(note["scaler"])
    if scaler:
        moving.scaler.load_state_dict(scaler)
    best, best_state = json.loads(note["best"]), part("best/")
    if best and best_state.keys() != moving.graph.state_dict().keys():
        raise ValueError("the best weights are incomplete")
    return Progress(int(note["done"]), Score(**best) if best else None, best_state)


def _note(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError):
        return {}
