"""How far a training has come: its best score, and a file from which it goes on after an interruption."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.graph import BundleGraph
from phenostream.trainer.settings import TrainSettings

logger = logging.getLogger(__name__)

_FILE = "resume.safetensors"


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


def identity(settings: TrainSettings, cells: CellSet) -> str:
    """What must be equal for a training to go on: the settings and the content of the training cells."""
    chosen = settings.model_dump(mode="json", exclude={"out", "threads"})
    return json.dumps([chosen, cells.sha256()], sort_keys=True)


def keep(
    graph: BundleGraph,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    folder: Path,
    identity: str,
) -> None:
    """Write everything needed to go on into one file of tensors; complete or not at all."""
    tensors = {f"now/{name}": value for name, value in graph.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in progress.best_state.items()}
    for row, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{row}/{name}": value for name, value in state.items()}
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "resume.partial"
    best = json.dumps(asdict(progress.best) if progress.best else None)
    note = {"done": str(progress.done), "best": best, "identity": identity}
    save_file({k: v.contiguous() for k, v in tensors.items()}, partial, metadata=note)
    partial.replace(folder / _FILE)


def resume(
    graph: BundleGraph, optimiser: torch.optim.Optimizer, folder: Path, identity: str
) -> Progress:
    """Load what `keep` wrote for the same identity into graph and optimiser; otherwise start afresh."""
    path = folder / _FILE
    note = _note(path)
    if note.get("identity") != identity:
        return Progress(0, None, {})
    tensors = load_file(path)

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    graph.load_state_dict(part("now/"))
    state: dict[int, dict[str, Any]] = {}
    for key, value in part("optimiser/").items():
        row, name = key.split("/")
        state.setdefault(int(row), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    best = json.loads(note["best"])
    progress = Progress(int(note["done"]), Score(**best) if best else None, part("best/"))
    logger.info("going on after epoch %d", progress.done)
    return progress


def _note(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError):
        return {}
