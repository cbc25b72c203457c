"""Random facts that are as different as facts can be, and true of some cells: every number agrees with every other.

They are not drawn as facts: cells are drawn, counted by `WindowStatistics` and compared by `with_comparisons`. The
first seeds of every `CASES` are the awkward ones, so that any `range(n)` of seeds has its share of them.
"""

from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args
from uuid import UUID

import numpy as np
import numpy.typing as npt

from phenostream.engine.manifest import MarkerTransform
from phenostream.engine.postprocess import CLASSIFIED, NO_CLASS, STATUSES
from phenostream.engine.summary.comparing import LEAST_CELLS, Baseline, with_comparisons
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.drifted import DriftAgainst, DriftFacts
from phenostream.engine.summary.facts import Facts, FrameAccount
from phenostream.engine.summary.quantities import Scope
from phenostream.engine.summary.window import WindowStatistics
from phenostream.engine.types import CLASSES, MARKERS, NO_FLAGS, FrameFlags

CASES: Final = 16
"""Seeds after which the awkward cases come again: `seed % CASES` picks one, the last of them are ordinary."""
Case = Literal["no frames", "no cells", "one cell", "none classified", "ties", "one class", "usual"]

_CASES: Final[dict[int, Case]] = {
    0: "no cells",
    1: "one cell",
    2: "ties",
    3: "none classified",
    4: "one class",
    5: "no frames",
}
_CLASS_NAMES: Final = (
    CLASSES,
    CLASSES,
    CLASSES,
    ("neutrophil", "eosinophil", "basophil"),
    ("T cell", "B cell", "NK cell"),
    ("blast", "lymphocyte", "erythroblast"),
    ("K562", "Jurkat", "HL-60"),
    ("granulocyte", "mononuclear cell"),
)
_MARKER_NAMES: Final = (
    MARKERS,
    MARKERS,
    MARKERS,
    ("CD4/CD8", "CD19", "HLA-DR", "CD34"),
    ("Ki-67", "CD2/CD5/CD7/CD3", "CD45", "TdT"),
    ("CD34",),
    (),
)
_SCOPES: Final[tuple[Scope, ...]] = ("window", "window", "run", "part")
_UNITS: Final = ("a.u.", "a.u.", "MESF", "molecules/cell", "log10 a.u.")
_INSTRUMENTS: Final = ("dpc-1", "A01-17", "scope.3", "microscope", "B03-02", "lab_7", "")
_MODELS: Final = ("demo 1", "dpc-net 2.4.1", "leuko 0.9", "B12 3")
_FRAMES: Final = 20
"""Frames that share their flags, where there are cells for them: a change shows only among several frames."""
_MODEL_SHA256: Final = "5ca1ab1e" * 8


def population(seed: int) -> Facts:
    """The facts of some cells; the same for the same seed."""
    return Population(seed).facts()


@dataclass(frozen=True, slots=True)
class Mixture:
    """What cells are drawn from.

    Attributes:
        fates: (5,) probabilities, order `STATUSES`.
        shares: (C,) of the classes.
        centre: (C, M) of the marker z.
        unusual: Probability that a cell is flagged.
        certainty: Of class probabilities; larger: nearer to one.
    """

    fates: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]
    centre: npt.NDArray[np.float64]
    unusual: float
    certainty: float


class Population:
    """Cells of one window or run, and of what they are compared with."""

    def __init__(self, seed: int) -> None:
        """Nothing is drawn yet but what the cells are drawn from."""
        self.case: Case = _CASES.get(seed % CASES, "usual")
        self._rng = np.random.default_rng(seed)
        self.context = self._context()
        self.mixture = self._mixture()

    def draw(self, cells: int) -> WindowStatistics:
        """Some cells, counted."""
        return self._cells(self.mixture, cells)

    def facts(self) -> Facts:
        """Draw the cells and count them. Call it once."""
        rng = self._rng
        now = self._cells(self.mixture, self._size())
        scope = _SCOPES[int(rng.integers(len(_SCOPES)))]
        plain = replace(
            now.facts(),
            scope=scope,
            run=str(UUID(bytes=rng.bytes(16), version=4)),
            instrument=str(rng.choice(_INSTRUMENTS)),
            model_sha256=_MODEL_SHA256,
            duration_s=round(float(rng.uniform(0, 900)), 3),
            by_other_models=0 if scope == "window" or rng.random() < 0.8 else int(rng.integers(99)),
        )
        if scope == "run":
            plain = replace(plain, account=self._account(plain.frames, plain.by_other_models))
        baselines = self._baselines(window=scope == "window")
        run_so_far = None
        if scope == "window" and rng.random() < 0.6:
            run_so_far = self._cells(self.mixture, int(rng.integers(0, 4000))).tally
        told = with_comparisons(plain, now, baselines, run_so_far)
        return replace(told, drift=self._drift())

    def _context(self) -> SummaryContext:
        rng = self._rng
        bare, linear = rng.random() < 0.2, rng.random() < 0.3
        four = (1.0, 1.5, 2.0, 2.5)
        transform = MarkerTransform(
            scale="linear" if linear else "log10",
            mean=(150.0, 40.0, 900.0, 12.0) if linear else four,
            sd=(40.0, 15.0, 200.0, 9.0) if linear else (0.5, 0.4, 0.3, 0.2),
        )
        markers = _MARKER_NAMES[int(rng.integers(len(_MARKER_NAMES)))]
        return SummaryContext(
            classes=_CLASS_NAMES[int(rng.integers(len(_CLASS_NAMES)))],
            markers=markers,
            marker_unit=str(rng.choice(_UNITS)),
            marker_transform=transform,
            half_width_z=None if bare else tuple(rng.uniform(0.2, 1.5, len(markers)).tolist()),
            interval_coverage=None if bare else float(rng.choice([0.8, 0.9, 0.95])),
            calibrated=not bare and bool(rng.random() < 0.8),
            model_synthetic=bool(rng.random() < 0.5),
            source_synthetic=bool(rng.random() < 0.4),
            model=str(rng.choice(_MODELS)),
            scores_ood=not bare or bool(rng.random() < 0.3),
            rejects=not bare or bool(rng.random() < 0.3),
        )

    def _mixture(self) -> Mixture:
        rng, classes = self._rng, len(self.context.classes)
        fates = rng.dirichlet([30, 2, 3, 1, 0.3])
        if rng.random() < 0.3:
            fates = np.array([1.0, 0, 0, 0, 0])
        shares = rng.dirichlet([0.7] * classes)
        if self.case == "one class":
            shares = np.eye(classes)[int(rng.integers(classes))]
        if self.case == "none classified":
            fates = np.array([0, 0.4, 0.6 if self.context.rejects else 0.0, 0.2, 0.1])
        if not self.context.rejects:
            fates[STATUSES.index("rejected")] = 0.0
        return Mixture(
            fates / fates.sum(),
            shares,
            rng.normal(0, 1.2, (classes, len(self.context.markers))),
            float(rng.choice([0.0, 0.02, 0.4])) if self.context.scores_ood else 0.0,
            float(rng.choice([2.0, 20.0])),
        )

    def _size(self) -> int:
        sizes: dict[Case, int] = {"no frames": 0, "no cells": 0, "one cell": 1}
        usual = int(10 ** self._rng.uniform(0.5, 3.7))
        return sizes.get(self.case, usual)

    def _cells(self, mixture: Mixture, cells: int) -> WindowStatistics:
        """Some frames of cells, or one, in which no change can be shown; a hundred thousand cells now and then."""
        statistics, rng = WindowStatistics(self.context), self._rng
        if self.case == "no frames":
            return statistics
        frames = int(rng.integers(1, 7))
        flagged = rng.random() < 0.3
        for part in np.array_split(np.arange(cells), frames):
            flags = self._flags() if flagged else NO_FLAGS
            columns = self._columns(mixture, len(part))
            several = _FRAMES if len(part) >= LEAST_CELLS and (frames > 1 or cells % 3) else 1
            for of_one in np.array_split(np.arange(len(part)), several):
                statistics.add({name: one[of_one] for name, one in columns.items()}, flags)
        if rng.random() < 0.1 and cells > 1000:
            for _ in range(int(rng.integers(1, 5))):
                statistics.tally.merge(statistics.tally)
        return statistics

    def _columns(self, mixture: Mixture, cells: int) -> dict[str, npt.NDArray[Any]]:
        rng, classes = self._rng, len(self.context.classes)
        status = rng.choice(len(STATUSES), cells, p=mixture.fates).astype(np.uint8)
        kind = rng.choice(classes, cells, p=mixture.shares)
        if self.case == "ties":
            status[:] = CLASSIFIED
            kind = np.arange(cells) % classes
        z = mixture.centre[kind] + rng.normal(0, 0.6, (cells, len(self.context.markers)))
        if self.case == "ties":
            z = np.round(z)
        rest = rng.dirichlet([1.0] * classes, cells)
        probability = rest / mixture.certainty
        probability[np.arange(cells), kind] += 1 - 1 / mixture.certainty
        chosen = status == CLASSIFIED
        return {
            "status": status,
            "class": np.where(chosen, kind, NO_CLASS).astype(np.uint8),
            "class_probability": probability.astype(np.float32),
            "marker_z": z.astype(np.float32),
            "ood": rng.random(cells) < mixture.unusual,
        }

    def _flags(self) -> FrameFlags:
        return FrameFlags(*(bool(one) for one in self._rng.random(6) < 0.25))

    def _account(self, frames: int, elsewhere: int) -> FrameAccount:
        """Published are the frames in the summary and those of other models."""
        published = frames + elsewhere
        lost = self._rng.integers(0, 6, 4) * (self._rng.random(4) < 0.4)
        dropped, quarantined, failed, missing = (int(one) for one in lost)
        return FrameAccount(
            published + sum(map(int, lost)), published, dropped, quarantined, failed, missing
        )

    def _drift(self) -> tuple[DriftFacts, ...]:
        """Of some populations; drawn last, so that all else is as it would be without."""
        rng = self._rng
        told = []
        for against in get_args(DriftAgainst):
            if rng.random() < 0.2:
                tested = int(rng.integers(1, 35))
                beyond = int(rng.integers(0, tested + 1)) if rng.random() < 0.6 else 0
                told.append(DriftFacts(against, tested, beyond))
        return tuple(told)

    def _baselines(self, *, window: bool) -> list[Baseline]:
        rng = self._rng
        told: list[Baseline] = []
        if window and rng.random() < 0.6:
            told.append(Baseline("previous", self._other(), model_sha256=_MODEL_SHA256))
        if rng.random() < 0.5:
            foreign = rng.random() < 0.15
            other = self._other()
            other.context = replace(other.context, source_synthetic=bool(rng.random() < 0.4))
            sha256 = "f" * 64 if foreign else _MODEL_SHA256
            name = str(rng.choice(["healthy-2026", "run 12", "plate_3", "controls"]))
            told.append(Baseline("reference", other, name, sha256))
        return told

    def _other(self) -> WindowStatistics:
        """Cells to compare with: the same mixture, one a little moved, or another one."""
        rng, one = self._rng, self.mixture
        draw = rng.random()
        if draw < 0.35:
            other = one
        elif draw < 0.7:
            moved = 0.8 * one.shares + 0.2 * rng.dirichlet([1.0] * len(one.shares))
            centre = one.centre + rng.normal(0, 0.2, one.centre.shape)
            other = replace(one, shares=moved / moved.sum(), centre=centre)
        else:
            other = self._mixture()
        return self._cells(other, int(10 ** rng.uniform(0, 3.6)))
