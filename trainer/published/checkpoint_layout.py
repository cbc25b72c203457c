"""The published layout: which tensors a checkpoint must hold, judged by name and shape before any of them is read.

Knows the network's state dict and how others nest and prefix it; `torch_file` knows the file. Every refusal is one line
that names the first tensors it is about.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from phenostream.engine.errors import BadInput
from phenostream.trainer.network.model import PARAMETERS, HybridNetwork
from phenostream.trainer.published.tensor_entry import TensorEntry, as_tensor
from phenostream.trainer.published.torch_file import TorchFile

WEIGHTS_KEY: Final = "model_state_dict"
_PREFIXES: Final = ("module.", "_orig_mod.")
"""Of a network that was wrapped for several GPUs or compiled."""
_COUNTER: Final = "num_batches_tracked"
_NAMED: Final = 3
"""Tensors a refusal names; the rest are counted."""
_LONGEST_STORAGE: Final = 2 * PARAMETERS
"""Numbers: tensors may share one storage, which then holds the whole network and its buffers."""
_TELLING: Final = {
    "cnn.stem.0.weight": (1, "{found} input channels, expected {expected}"),
    "vit.patch_embed.weight": (2, "patches of {found} pixels, expected {expected}"),
    "vit.pos_embed": (1, "crops of {found} positions, expected {expected} (28 x 28 pixels)"),
    "vit.cls_token": (2, "a transformer of width {found}, expected {expected}"),
    "classifier.classifier.8.weight": (0, "{found} classes, expected {expected}"),
    "regressor.regressor.8.weight": (0, "{found} markers, expected {expected}"),
}
"""Tensors that tell one architecture from another: the axis that does, and the words for it."""
_STAINED: Final = ", as for stained RGB images"

Shape = tuple[int, ...]


@lru_cache(maxsize=1)
def expected_shapes() -> Mapping[str, Shape]:
    """Name and shape of every tensor of the published network."""
    with torch.device("meta"):
        state = HybridNetwork().state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def load_published(path: Path) -> dict[str, Tensor]:
    """Read the weights of a published checkpoint.

    Args:
        path: A file written by `torch.save`: a dict with `model_state_dict` among other things, or a plain state dict;
            on any device, of any floating type, with or without the prefix of a wrapped network.

    Returns:
        The state dict for `HybridNetwork`, float32 on the CPU.

    Raises:
        BadInput: The file is none, would run code, has no such weights, those of another network, or impossible ones.
    """
    with TorchFile(path) as file:
        try:
            entries = _entries(file.content)
            _refuse_other_networks(entries)
            _refuse_misfits(entries)
        except BadInput as err:
            raise BadInput(f"{file.name}: {err}") from err
        state = {name: _numbers(file, name, entries) for name in expected_shapes()}
    _refuse_impossible(path.name, state)
    return state


def _entries(content: Any) -> dict[str, TensorEntry]:
    """The weights by the network's own names, however they are nested and prefixed."""
    state = content.get(WEIGHTS_KEY, content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state:
        raise BadInput(f"holds no {WEIGHTS_KEY}, and is no state dict itself")
    tensors = {name: as_tensor(value) for name, value in state.items()}
    others = [str(name)[:40] for name, tensor in tensors.items() if tensor is None]
    if others and state is content:
        raise BadInput(f"holds no {WEIGHTS_KEY}, only {_first(others)}")
    if others:
        raise BadInput(f"{WEIGHTS_KEY} holds what is no tensor: {_first(others)}")
    entries = {str(name): tensor for name, tensor in tensors.items() if tensor is not None}
    for prefix in _PREFIXES * 2:  # a wrapped network may have been wrapped again
        if all(name.startswith(prefix) for name in entries):
            entries = {name.removeprefix(prefix): entry for name, entry in entries.items()}
    return entries


def _refuse_other_networks(entries: Mapping[str, TensorEntry]) -> None:
    """Say what the checkpoint is where that can be told; a list of misfits would bury it."""
    expected = expected_shapes()
    if not set(entries) & set(expected):
        raise BadInput(
            f"another network: none of its {len(entries)} tensors is one of ours ({_first(list(entries))})"
        )
    told = (_told(name, *telling, entries) for name, telling in _TELLING.items())
    differs = [said for said in told if said]
    if not any(name.startswith("task_gating.") for name in entries):
        differs.append("without task gating (no task_gating.*)")
    if differs:
        raise BadInput(f"another architecture: {'; '.join(differs)}")


def _told(name: str, axis: int, words: str, entries: Mapping[str, TensorEntry]) -> str:
    """The words where that tensor has another size along its axis; empty where it has not, or is not there."""
    found, expected = entries.get(name), expected_shapes()[name]
    if found is None or len(found.shape) != len(expected) or found.shape[axis] == expected[axis]:
        return ""
    said = words.format(found=found.shape[axis], expected=expected[axis])
    stained = _STAINED if name == "cnn.stem.0.weight" and found.shape[axis] == 3 else ""
    return f"{said}{stained} ({name})"


def _refuse_misfits(entries: Mapping[str, TensorEntry]) -> None:
    expected = expected_shapes()
    faults = {
        "missing": [
            f"{name} {shape}"
            for name, shape in expected.items()
            if name not in entries and not name.endswith(_COUNTER)
        ],
        "unknown": [f"{name} {entry.shape}" for name, entry in entries.items() if name not in expected],
        "misfit": list(_misfits(entries)),
    }  # fmt: skip
    said = [
        f"{len(found)} {fault} tensor{'s' if len(found) > 1 else ''}: {_first(found)}"
        for fault, found in faults.items()
        if found
    ]
    if said:
        raise BadInput("; ".join(said))


def _misfits(entries: Mapping[str, TensorEntry]) -> Iterator[str]:
    for name, shape in expected_shapes().items():
        entry = entries.get(name)
        if entry is None:
            continue
        if entry.kind:
            yield f"{name} is {entry.kind}, expected a plain tensor"
        elif entry.shape != shape:
            yield f"{name} is {entry.shape}, expected {shape}"
        elif not (name.endswith(_COUNTER) or entry.dtype.is_floating_point):
            yield f"{name} is {str(entry.dtype).removeprefix('torch.')}, expected a floating type"
        elif entry.numel > _LONGEST_STORAGE:
            yield f"{name} lies in a storage of {entry.numel} numbers, expected {_LONGEST_STORAGE} at most"


def _numbers(file: TorchFile, name: str, entries: Mapping[str, TensorEntry]) -> Tensor:
    """One tensor as the network takes it; counts of batches mean nothing at rest, and older files lack them."""
    if name.endswith(_COUNTER):
        return torch.zeros((), dtype=torch.int64)
    return file.read(entries[name]).to(torch.float32)


def _refuse_impossible(file_name: str, state: Mapping[str, Tensor]) -> None:
    """Numbers no training leaves behind.

    Raises:
        BadInput: A value is not finite, or a running variance negative.
    """
    for what, wrong in (
        ("values that are not finite", {n: int((~t.isfinite()).sum()) for n, t in state.items()}),
        (
            "negative variances",
            {n: int((t < 0).sum()) for n, t in state.items() if n.endswith("running_var")},
        ),
    ):
        named = [f"{name} ({count})" for name, count in wrong.items() if count]
        if named:
            raise BadInput(f"{file_name}: {what} in {_first(named)}")


def _first(items: list[str]) -> str:
    """The first few, and how many more there are; a file's own words reach the terminal as plain text."""
    short = (item[:120] for item in items[:_NAMED])
    shown = ", ".join(item if item.isprintable() else ascii(item) for item in short)
    return shown if len(items) <= _NAMED else f"{shown} and {len(items) - _NAMED} more"
