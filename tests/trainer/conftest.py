"""Checkpoints in the published layout, with random weights and everything off its initial value."""

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


class RunsCode:
    """Pickled, it asks whoever loads it to touch a file."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._canary}",)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that is there only if a checkpoint was run."""
    return tmp_path / "canary"


@pytest.fixture
def evil(canary: Path) -> RunsCode:
    return RunsCode(canary)


@pytest.fixture(scope="session")
def random_state() -> Callable[[], dict[str, Any]]:
    """A fresh state dict at each call: every parameter and buffer moved, variances positive."""
    torch = pytest.importorskip("torch")
    from phenostream.trainer.network.model import HybridNetwork

    def make() -> dict[str, Any]:
        torch.manual_seed(5)
        state: dict[str, Any] = HybridNetwork().state_dict()
        for name, tensor in state.items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif name.endswith("num_batches_tracked"):
                tensor.fill_(321)
            else:
                tensor.add_(torch.randn_like(tensor) * 0.02)
        return state

    return make


@pytest.fixture(scope="session")
def published() -> Callable[..., dict[str, Any]]:
    """The authors' nesting: weights beside an epoch, an optimiser and numpy numbers of every plain kind."""
    torch = pytest.importorskip("torch")

    def nest(state: Any, **more: Any) -> dict[str, Any]:
        return {
            "epoch": 41,
            "model_state_dict": OrderedDict(state),
            "optimizer_state_dict": {
                "state": {0: {"step": torch.tensor(7.0), "exp_avg": torch.zeros(3, 2)}},
                "param_groups": [{"lr": 5e-4, "betas": (0.9, 0.999), "params": [0, 1]}],
            },
            "best_acc": np.float64(0.913),
            "numbers": [np.float32(1), np.int64(2), np.bool_(True), np.uint8(3), np.complex64(1j)],
            "history": {"loss": [0.5, np.float64(0.25)], "r": np.arange(6.0).reshape(2, 3)},
            "counts": np.arange(4, dtype=np.int32),
            "seen": {1, 2},
            "device": torch.device("cpu"),
            "shape": torch.Size([4, 28, 28]),
            "dtype": torch.float32,
            **more,
        }

    return nest
