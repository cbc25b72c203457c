"""Where to compute, and how narrow the network's body may be there.

Weights, losses and the optimiser stay float32; only matrix products and convolutions are narrow (autocast).
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import torch

from phenostream.engine.errors import BadConfig

_NARROW: Final = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Asked(Protocol):
    """What a training's settings say about device and precision."""

    @property
    def precision(self) -> Literal["auto", "fp32", "bf16", "fp16"]:
        """Of the network's body."""

    @property
    def device(self) -> Literal["auto", "cpu", "cuda"]:
        """Where to compute."""


@dataclass(frozen=True, slots=True)
class Precision:
    """A device, and the type of the network's body on it; None is float32."""

    device: torch.device
    narrow: torch.dtype | None

    def autocast(self) -> AbstractContextManager[Any]:
        """Compute narrowly in here."""
        return torch.autocast(
            self.device.type, self.narrow or torch.bfloat16, enabled=self.narrow is not None
        )

    def scaler(self) -> torch.amp.GradScaler:
        """Keeps small gradients of float16 from vanishing; does nothing for the other types."""
        return torch.amp.GradScaler(self.device.type, enabled=self.narrow is torch.float16)


def choose(settings: Asked, process: int = 0) -> Precision:
    """The device and type that the settings ask for.

    Args:
        settings: Of a training.
        process: Number of this process on this machine; each has a GPU of its own.

    Raises:
        BadConfig: There is no such GPU, or it has no bfloat16.
    """
    gpus = torch.cuda.device_count() if settings.device != "cpu" else 0
    if settings.device == "cuda" and process >= gpus:
        raise BadConfig(f"device cuda: process {process} found {gpus} GPUs; allowed cpu")
    device = torch.device("cuda", process) if process < gpus else torch.device("cpu")
    native = torch.cuda.is_bf16_supported() if device.type == "cuda" else multiplies_bfloat16()
    if settings.precision != "auto":
        if settings.precision == "bf16" and device.type == "cuda" and not native:
            raise BadConfig("precision bf16: this GPU has none; allowed fp16, fp32")
        return Precision(device, _NARROW[settings.precision])
    if native:
        return Precision(device, torch.bfloat16)
    return Precision(device, torch.float16 if device.type == "cuda" else None)


def multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """The CPU multiplies bfloat16 natively: in tiles (AMX) or in vectors (AVX-512 BF16)."""
    try:
        flags = cpuinfo.read_text()
    except OSError:
        return False
    return " amx_bf16" in flags or " avx512_bf16" in flags
