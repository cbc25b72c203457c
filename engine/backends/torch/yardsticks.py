"""Work of known size on a CUDA device, for whoever has a clock: what the device can do at most in this library.

Every function returned here blocks until the device is done.
"""

from collections.abc import Callable
from typing import Final

import torch

from phenostream.engine.errors import EngineFault

TYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_SIDE: Final = 8192
_TRIAD_VALUES: Final = 1 << 28
_REPEATS: Final = 8
"""Launches before the wait: the wait is then a small part of the time."""


def products(
    precision: str, *, device: str = "cuda", side: int = _SIDE
) -> tuple[Callable[[], None], float]:
    """Square matrix products.

    Args:
        precision: One of `TYPES`; float32 is float32, not TF32.
        device: ``cuda``, or ``cpu`` to try it without one.
        side: Of the matrices.

    Returns:
        The work, and its operations.

    Raises:
        EngineFault: The device cannot be used.
    """
    try:
        one, other = (torch.randn(side, side, device=device).to(TYPES[precision]) for _ in "12")
        out = torch.empty_like(one)
    except RuntimeError as err:
        raise EngineFault(f"torch: {_line(err)}") from err

    def run() -> None:
        for _ in range(_REPEATS):
            torch.mm(one, other, out=out)
        _wait(device)

    run()
    return run, 2.0 * side**3 * _REPEATS


def triad(*, device: str = "cuda", values: int = _TRIAD_VALUES) -> tuple[Callable[[], None], float]:
    """A = b + s * c over float32 arrays; returns the work and its bytes, raises as `products`."""
    try:
        a, b, c = (torch.ones(values, device=device) for _ in "abc")
    except RuntimeError as err:
        raise EngineFault(f"torch: {_line(err)}") from err

    def run() -> None:
        for _ in range(_REPEATS):
            torch.add(b, c, alpha=3.0, out=a)
        _wait(device)

    run()
    return run, 3.0 * 4 * values * _REPEATS


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200]
