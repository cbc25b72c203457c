"""What this box was measured to do: ways to run a model, which of them is taken, and why, in words.

Pure. Whoever measured has a clock; here are only its figures. Two figures closer than `TIE` are the same figure: a box
is never so quiet that less would mean anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from phenostream.engine.manifest import Precision

TIE: Final = 0.05
"""Of two ways that differ by less than this share, the one with other merits is taken."""
FINEST_FIRST: Final[tuple[Precision, ...]] = ("fp32", "fp16", "bf16", "int8")
ONLY_ASKED_FOR: Final[Precision] = "int8"
"""Changes a decision here and there (the gate allows 0.5 % of them): speed alone is no reason to compute in it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One way to run a model, and how fast it was on this box.

    Attributes:
        backend: Row of the visible table.
        precision: What was computed in.
        streams: Calls at the same time.
        threads: Of all streams together.
        max_batch: Crops of a call.
        cells_per_s: Median of the rounds, every stream busy.
        least: Of the rounds, cells/s.
        most: Likewise.
        batch1_ms: Median time of a call with one crop while nothing else runs, ms.
    """

    backend: str
    precision: Precision
    streams: int
    threads: int
    max_batch: int
    cells_per_s: float
    least: float
    most: float
    batch1_ms: float


def ranked(rows: Iterable[Measured]) -> tuple[Measured, ...]:
    """The best way of every backend and precision, the one to take first.

    The fastest first; but of ways that tie, the one with the finest arithmetic, and of the ways of one backend and
    precision that tie, the one with the smallest batch, which makes a cell wait least, in the most streams, which
    stand in each other's way least when the box is busy. int8 is behind all others, however fast: only who asks for it
    has nothing else in the rows.
    """
    of_a_row: dict[tuple[str, Precision], list[Measured]] = {}
    for row in rows:
        of_a_row.setdefault((row.backend, row.precision), []).append(row)
    left = [
        min(_near_the_fastest(ways), key=lambda row: (row.max_batch, -row.streams, row.threads))
        for ways in of_a_row.values()
    ]
    order: list[Measured] = []
    while left:
        fine = [row for row in left if row.precision != ONLY_ASKED_FOR]
        best = min(
            _near_the_fastest(fine or left),
            key=lambda row: (FINEST_FIRST.index(row.precision), -row.cells_per_s),
        )
        left.remove(best)
        order.append(best)
    return tuple(order)


def described(row: Measured) -> str:
    """A way and its speed, for a person."""
    streams = _counted(row.streams, "stream")
    return (
        f"{row.backend} {row.precision}, {streams} of {_counted(row.threads // row.streams, 'thread')}, "
        f"batches of {row.max_batch}: {row.cells_per_s:,.0f} cells/s ({row.least:,.0f} to {row.most:,.0f})"
    )


def explained(backend: str, precision: str, rows: Iterable[Measured]) -> str:
    """Why a backend was taken of those that were measured, in one line for a person.

    Args:
        backend: Who serves.
        precision: Likewise.
        rows: What was measured.
    """
    order = ranked(rows)
    own = next((row for row in order if (row.backend, row.precision) == (backend, precision)), None)
    others = [row for row in order if row is not own]
    if own is None:
        return f"{backend} {precision}, which was not measured on this box"
    if not others:
        return f"{described(own)}, the only one measured on this box"
    rival = others[0]
    speed = f"{rival.backend} {rival.precision} {rival.cells_per_s:,.0f}"
    if order.index(own) > 0:
        return f"{described(own)}, although {speed} was measured on this box"
    fastest = max(others, key=lambda row: row.cells_per_s)
    if own not in _near_the_fastest(
        [own, fastest]
    ):  # only what must be asked for is faster and not first
        return (
            f"{described(own)}; {fastest.backend} {fastest.precision} {fastest.cells_per_s:,.0f} is taken only "
            f"where model.precision asks for it"
        )
    if rival.cells_per_s > own.cells_per_s:
        return f"{described(own)}, the finest arithmetic of those as fast on this box; next {speed}"
    return f"{described(own)}, the fastest measured on this box; next {speed}"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _near_the_fastest(rows: Sequence[Measured]) -> list[Measured]:
    fastest = max(row.cells_per_s for row in rows)
    return [row for row in rows if row.cells_per_s >= (1 - TIE) * fastest]
