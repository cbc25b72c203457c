"""Cells of which everything is known: three Gaussian classes, a marker tied to the class, and a network that is wrong
in known ways.

The network is sharper than it may be by a known temperature, has learned equal shares of the classes, and expects half
the spread that its estimates have. Whoever calibrates it must find the first two and mend the third.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from phenostream.engine.types import MARKERS
from phenostream.trainer.calibration.evidence import Evidence
from phenostream.trainer.network.model import Phenotyper, RawOutputs

F64 = npt.NDArray[np.float64]
SHARES = (0.3, 0.6, 0.1)
TEMPERATURE = 3.0
_CENTRES = np.array([[0.0, 0.0], [2.2, 0.0], [1.1, 2.0]])
_LEVEL = np.array([-1.0, 0.6, 1.2])
_SPREAD = np.array([0.3, 0.6, 1.0])


@dataclass(frozen=True, slots=True)
class Toy:
    """N cells: what they are, and what the network says of them.

    Attributes:
        kind: (N,).
        target_z: (N, 4), equal in distribution for every marker.
        class_logits: (N, 3).
        marker_z: (N, 4).
        log_sd: (N, 4).
        likelihood: (N, 3), logarithm of p(cell | class): what a perfect network would know.
    """

    kind: npt.NDArray[np.int32]
    target_z: F64
    class_logits: npt.NDArray[np.float32]
    marker_z: npt.NDArray[np.float32]
    log_sd: npt.NDArray[np.float32]
    likelihood: F64

    def posterior(self, shares: tuple[float, float, float]) -> F64:
        """(N, 3), the true probabilities in a population of these shares."""
        joint = np.exp(self.likelihood) * np.array(shares)
        out: F64 = joint / joint.sum(axis=1, keepdims=True)
        return out

    def evidence(self) -> Evidence:
        """As the network's words about calibration cells."""
        return Evidence(
            self.class_logits,
            self.kind,
            np.abs(self.marker_z - self.target_z).astype(np.float32),
            self.log_sd,
            np.ones((len(self.kind), len(MARKERS)), np.bool_),
            np.zeros(len(self.kind), np.int32),
        )


def toy(count: int, seed: int, shares: tuple[float, float, float] = SHARES) -> Toy:
    """Draw cells of a population."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, count, p=shares).astype(np.int32)
    place = _CENTRES[kind] + rng.standard_normal((count, 2))
    likelihood = -0.5 * ((place[:, None] - _CENTRES) ** 2).sum(axis=2)
    target = _LEVEL[kind][:, None] + _SPREAD[kind][:, None] * rng.standard_normal((count, 4))
    learned = np.exp(likelihood) / np.exp(likelihood).sum(axis=1, keepdims=True)
    estimate = learned @ _LEVEL
    variance = learned @ (_SPREAD**2 + _LEVEL**2) - estimate**2
    four = np.ones((1, len(MARKERS)))
    return Toy(
        kind,
        target,
        (TEMPERATURE * likelihood).astype(np.float32),
        (estimate[:, None] * four).astype(np.float32),
        (np.log(0.5 * np.sqrt(variance))[:, None] * four).astype(np.float32),
        likelihood,
    )


class Recited(Phenotyper):
    """A network that says what the toy's says."""

    def __init__(self, cells: Toy) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, x: torch.Tensor) -> RawOutputs:
        logits, z, log_sd = (
            torch.from_numpy(column)
            for column in (self.cells.class_logits, self.cells.marker_z, self.cells.log_sd)
        )
        return RawOutputs(logits, z, torch.zeros(len(z)), torch.zeros(len(z), 256), log_sd)
