"""What a model said of the cells it is calibrated on, beside what they are: all that a calibration is fitted to.

It is kept beside the weights, so that a model can be calibrated to another population without its cells. Knows one
archive file; does not know how anything is fitted.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, F32, I32, MARKERS, Bool
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import LARGEST_Z, BundleGraph
from phenostream.trainer.predict import Predictions, predict
from phenostream.trainer.written_whole import opened_whole

_LARGEST_FILE: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """N white cells that neither trained nor selected the weights.

    A promise is kept in every stratum: cells of an easier population do not make up for those of a harder one.

    Attributes:
        class_logits: (N, 3) float32, as the network gave them.
        kind: (N,) int32, true class.
        residual_z: (N, 4) float32, how far the estimate is from the target, in z, 0 or more. A target at its column's
            floor counts as it was measured.
        log_sd: (N, 4) float32, logarithm of the spread in z that the network expects of each estimate.
        marker_mask: (N, 4) bool, True where the target may be used.
        stratum: (N,) int32, any number for each of the populations that were put together.
    """

    class_logits: F32
    kind: I32
    residual_z: F32
    log_sd: F32
    marker_mask: Bool
    stratum: I32

    def __post_init__(self) -> None:
        count = len(self.kind)
        shapes = {"class_logits": (count, len(CLASSES)), "kind": (count,), "stratum": (count,)}
        shapes |= dict.fromkeys(("residual_z", "log_sd", "marker_mask"), (count, len(MARKERS)))
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise BadInput(f"{name}: expected shape {shape}, found {getattr(self, name).shape}")

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def spread(self) -> npt.NDArray[np.float64]:
        """(N, 4), the spread in z that is expected of each estimate, as the graph computes it."""
        return np.exp(self.log_sd.astype(np.float64))

    def strata(self) -> tuple[npt.NDArray[np.intp], ...]:
        """The rows of each stratum, one array (n,) for each, in order of their numbers."""
        return tuple(np.flatnonzero(self.stratum == one) for one in np.unique(self.stratum))

    def select(self, rows: npt.NDArray[np.intp]) -> "Evidence":
        """Some of the cells: `rows` are (M,) places."""
        return Evidence(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @classmethod
    def of(
        cls, graph: BundleGraph, said: Predictions, cells: CellSet, stratum: I32 | None = None
    ) -> "Evidence":
        """Of white cells, and what the graph, its marker transform set, said of them; one stratum unless told."""
        target = graph.target_z(torch.from_numpy(cells.marker_log10)).numpy()
        estimate = np.clip(said.marker_z, -LARGEST_Z, LARGEST_Z)
        return cls(
            said.class_logits,
            cells.kind,
            np.abs(estimate - target),
            said.marker_log_sd,
            cells.marker_mask,
            np.zeros(len(cells), np.int32) if stratum is None else stratum,
        )


def observe(graph: BundleGraph, cells: CellSet, stratum: I32 | None = None) -> Evidence:
    """Run the graph over the white ones of held-out cells.

    Args:
        graph: Trained; its marker transform already set.
        cells: N, of any kind.
        stratum: (N,) as `Evidence` has it; None: all are of one.
    """
    white = cells.select(cells.white)
    own = None if stratum is None else stratum[cells.white]
    return Evidence.of(graph, predict(graph, white), white, own)


def save_evidence(evidence: Evidence, path: Path) -> None:
    """Write one compressed array file, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    columns: dict[str, Any] = {
        field.name: getattr(evidence, field.name) for field in fields(evidence)
    }
    with opened_whole(path) as file:
        np.savez_compressed(file, **columns)


def load_evidence(path: Path) -> Evidence:
    """Read a file of `save_evidence`; one of a version that knew no strata has one.

    Raises:
        BadInput: It is missing or not such a file.
    """
    try:
        with path.open("rb") as file, ArrayArchive(file, _LARGEST_FILE) as archive:
            columns = {
                field.name: archive.read(field.name)
                for field in fields(Evidence)
                if field.name != "stratum" or field.name in archive.sizes
            }
            columns.setdefault("stratum", np.zeros(len(columns["kind"]), np.int32))
            return Evidence(**columns)
    except OSError as err:
        raise BadInput(f"{path}: cannot be read ({err.strerror})") from err
    except (KeyError, ValueError, BadInput) as err:
        raise BadInput(f"{path}: not what a model said of calibration cells: {err}") from err
