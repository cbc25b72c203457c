"""Whether this box gives what was promised of the engine: ratios in one run, the time of a lone cell.

On a CPU that computes bf16 in matrix units other ratios are promised than elsewhere.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

from phenostream.deploy.bench.contest import ONNXRUNTIME, TORCH, Contest, Spread, Standing
from phenostream.deploy.bench.entrants import Entrant

LONE_CELL_MS: Final = 1.5
_WITH_AMX: Final = (6.0, 4.0)
_ELSEWHERE: Final = (1.3, 1.0)
"""OpenVINO's cells/s ÷ those of torch eager in float32, and of ONNX Runtime in float32."""
H100_CELLS_PER_S: Final = 200_000.0


@dataclass(frozen=True, slots=True)
class Promise:
    """One figure that was promised.

    Attributes:
        what: In words.
        found: None: it could not be measured here.
        bound: At least this, or where `at_most` at most this.
        by: Who it was found of, and at what.
    """

    what: str
    found: Spread | None
    bound: float
    at_most: bool = False
    by: str = ""

    @property
    def met(self) -> bool | None:
        """By the median; None where it could not be measured."""
        if self.found is None:
            return None
        median = self.found.median
        return median <= self.bound if self.at_most else median >= self.bound

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "met": self.met}


def promises(contest: Contest, *, amx: bool) -> list[Promise]:
    """What was promised for a box like this one.

    Args:
        contest: What was measured.
        amx: Whether the CPU computes bf16 in matrix units.
    """
    best = _fastest(contest, "openvino")
    bounds = _WITH_AMX if amx else _ELSEWHERE
    told = [
        _ratio(contest, best, reference, bound)
        for reference, bound in zip((TORCH, ONNXRUNTIME), bounds, strict=True)
    ]
    quickest = min(contest.standings, key=lambda one: one.lone_p50_ms, default=None)
    told.append(_lone_cell(quickest))
    for one in contest.standings:
        if one.entrant.backend == "torch" and "H100" in one.device and not one.entrant.one_cell:
            what, by = "torch on an H100, cells/s", one.entrant.label
            told.append(Promise(what, one.cells_per_s, H100_CELLS_PER_S, by=by))
            break
    return told


def _fastest(contest: Contest, backend: str) -> Standing | None:
    return next((one for one in contest.standings if one.entrant.backend == backend), None)


def _ratio(contest: Contest, best: Standing | None, reference: Entrant, bound: float) -> Promise:
    what = f"openvino ÷ {reference.label}, cells/s"
    other = contest.of(reference)
    if best is None or other is None:
        return Promise(what, None, bound)
    by = (
        f"{best.entrant.label} in batches of {best.way.batch} against {other.entrant.label} "
        f"in batches of {other.way.batch}"
    )
    return Promise(what, best.ratio_to(other), bound, by=by)


def _lone_cell(quickest: Standing | None) -> Promise:
    what = "a lone cell, ms (median, at most)"
    if quickest is None:
        return Promise(what, None, LONE_CELL_MS, at_most=True)
    found = Spread(quickest.lone_p50_ms, quickest.lone_p50_ms, quickest.lone_p99_ms)
    return Promise(what, found, LONE_CELL_MS, at_most=True, by=quickest.entrant.label)
