"""How far each backend is from what the box can do: its share of the matrix ceiling and of the memory ceiling.

Operations and bytes per cell are counted from the graph; ceilings and cells/s were measured in the same rounds, and a
share is the median of the rounds' shares. Pure.

How many bytes a cell really moves depends on what is fused and what stays in a cache, which nobody outside a runtime
knows; so the two extremes are told. The share of the memory ceiling at the least bytes is a lower bound. Where the
share at unfused bytes is above 1, the values cannot all have gone through memory: caches and fusion are at work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from phenostream.deploy.bench.ceilings import MEMORY, Ceiling
from phenostream.deploy.bench.contest import Contest, Spread, Standing
from phenostream.deploy.bench.operations import Work


@dataclass(frozen=True, slots=True)
class Roof:
    """One ceiling as it was measured.

    Attributes:
        label: Such as ``CPU bf16`` or ``CPU memory``.
        how: What was run.
        unit: ``operations`` or ``bytes``.
        per_s: Of the unit per second.
    """

    label: str
    how: str
    unit: str
    per_s: Spread


@dataclass(frozen=True, slots=True)
class Place:
    """Where one backend stands.

    Attributes:
        label: Of the entrant.
        operations_per_s: Its cells/s times the operations of a cell.
        matrix: Label of the matrix ceiling of its precision; None: there is none, then no share either.
        of_matrix: Share of that ceiling; only what matrix units compute counts.
        least_bytes: A cell's share of what a batch cannot but move.
        unfused_bytes: What a cell moves if nothing is fused or cached.
        intensity: Operations per byte, at unfused and at least bytes.
        of_memory_least: Share of the memory ceiling at the least bytes; None: it was not measured.
        of_memory_unfused: Likewise, if nothing were fused or cached; above 1 it is impossible.
    """

    label: str
    operations_per_s: float
    matrix: str | None
    of_matrix: Spread | None
    least_bytes: float
    unfused_bytes: float
    intensity: tuple[float, float]
    of_memory_least: Spread | None
    of_memory_unfused: Spread | None


@dataclass(frozen=True, slots=True)
class Roofline:
    """All of it.

    Attributes:
        work: What a cell asks for.
        roofs: The ceilings.
        absent: Ceilings that could not be measured, and why.
        places: The fastest first.
    """

    work: Work
    roofs: tuple[Roof, ...]
    absent: dict[str, str]
    places: tuple[Place, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "work": self.work.as_dict()}


def roofline(
    work: Work, contest: Contest, ceilings: Sequence[Ceiling], absent: Mapping[str, str]
) -> Roofline:
    """Put backends under ceilings.

    Args:
        work: Of one cell.
        contest: Backends, timed with `ceilings` beside them.
        ceilings: As they were measured.
        absent: Those that could not be.
    """
    roofs = tuple(
        Roof(one.label, one.how, one.unit, Spread.of(contest.beside[one.label], 0))
        for one in ceilings
    )
    places = tuple(_place(work, one, contest.beside) for one in contest.standings)
    return Roofline(work, roofs, dict(absent), places)


def _place(work: Work, one: Standing, measured: Mapping[str, tuple[float, ...]]) -> Place:
    precision = one.entrant.precision
    device = "CPU" if one.device.startswith("CPU") else "CUDA"
    matrix: str | None = f"{device} {precision}"
    if matrix not in measured:
        matrix = None
    memory = measured.get(f"{device} {MEMORY}")
    least = work.least_bytes(precision, one.way.batch)
    unfused = work.unfused_bytes(precision, one.way.batch)
    return Place(
        label=one.entrant.label,
        operations_per_s=round(one.cells_per_s.median * work.total),
        matrix=matrix,
        of_matrix=None if matrix is None else _share(one, work.products, measured[matrix]),
        least_bytes=round(least),
        unfused_bytes=round(unfused),
        intensity=(round(work.total / unfused, 1), round(work.total / least, 1)),
        of_memory_least=None if memory is None else _share(one, least, memory),
        of_memory_unfused=None if memory is None else _share(one, unfused, memory),
    )


def _share(one: Standing, per_cell: float, ceiling: Sequence[float]) -> Spread:
    pairs = zip(one.rates, ceiling, strict=True)
    return Spread.of([rate * per_cell / limit for rate, limit in pairs], 4)
