"""Reading a checkpoint in the published layout without running anything it contains.

The published file is a pickle that nests `model_state_dict` beside numpy scalars. It is opened with an allow-list of
exactly those types; anything else in it is refused by name.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phenostream.engine.errors import BadInput

_ALLOWED = [np.dtype, np.dtypes.Float64DType, np.dtypes.Float32DType, np.dtypes.Int64DType]


def load_published(path: Path) -> dict[str, Tensor]:
    """Read the weights of a published checkpoint.

    Args:
        path: A file written by `torch.save` in the published layout, or a plain state dict.

    Returns:
        The state dict for `HybridNetwork`, on the CPU.

    Raises:
        BadInput: The file cannot be read, holds types outside the allow-list, or has no weights.
    """
    scalar: Any = np.float64(0).__reduce__()[0]
    allowed: list[Any] = [
        *_ALLOWED,
        (scalar, "numpy._core.multiarray.scalar"),
        (scalar, "numpy.core.multiarray.scalar"),
    ]
    try:
        with torch.serialization.safe_globals(allowed):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as err:
        reason = str(err).splitlines()[0] if str(err) else type(err).__name__
        raise BadInput(f"{path.name}: not a readable checkpoint: {reason}") from err
    state = content.get("model_state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(
        isinstance(value, Tensor) for value in state.values()
    ):
        raise BadInput(f"{path.name}: holds no model_state_dict of tensors")
    return dict(state)
