"""One backend in one precision on a GPU, put through everything that is promised of it.

Loaded twice (the second time from the engine cache), golden crops in one batch and in odd ones, cells per second by
batch, the time of a lone cell, device memory while it works and after it is closed, and a spoilt plan in the cache.
Knows backends, one clock and the card's account of memory.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from phenostream.daemon.tuning.timing import time_backend, time_one_cell
from phenostream.deploy.acceptance.card import Card
from phenostream.engine.backends.checked import DECISION_AGREEMENT, LOGIT_TOLERANCE, PoisonedRows
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.errors import BadConfig, EngineFault, MissingPackage, PhenostreamError
from phenostream.engine.manifest import Precision
from phenostream.engine.types import Crops, Outputs

Verdict = Literal["passed", "failed", "refused", "not possible"]
"""``refused``: the library or the device would not load it at all, as some do on GPUs they were not made for; a person
has to read why. ``not possible``: a package is missing, or the bundle or backend has no such precision."""
_ODD_BATCHES: Final = (1, 3, 33)
_MAY_GROW: Final = 16 << 20
"""Device memory that calls, or a second load, may take more than the first did, bytes."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done.

    Attributes:
        batches: Crops a call, for throughput; the largest is what backends are opened for.
        streams: Calls at the same time.
        seconds: Of each throughput.
        lone_calls: With one crop.
        memory_calls: Between the two looks at the card's memory.
    """

    batches: tuple[int, ...] = (1, 32, 128, 512, 1024)
    streams: int = 4
    seconds: float = 2.0
    lone_calls: int = 300
    memory_calls: int = 500


@dataclass(frozen=True, slots=True)
class Place:
    """What an examination needs of its surroundings.

    Attributes:
        open_way: Opens a backend in a precision that gave the golden outputs; keeps what it builds in `cache`.
        golden: How far from the golden outputs a backend is.
        crops: The golden crops.
        card: The GPU.
        cache: Folder of the engine cache; None: what is built is not kept.
    """

    open_way: Callable[[str, Precision, int, int], Backend]
    golden: Callable[[Backend], float]
    crops: Crops
    card: Card
    cache: Path | None


@dataclass(slots=True)
class Outcome:
    """What was found; what was not reached is None.

    Attributes:
        backend: Row of the visible table.
        precision: What was computed in.
        verdict: See `Verdict`.
        reasons: Of everything that was not as promised.
        first_load_s: With the engine built.
        next_load_s: With the engine kept.
        golden: Largest difference to the golden outputs; of int8 the share of changed decisions.
        odd_batches: Largest difference of class_logits and marker_z between one batch and batches of 1, 3 and 33.
        cells_per_s: By batch.
        lone_p50_ms: Of one call with one crop.
        lone_p99_ms: Likewise.
        memory_bytes: Of the device, taken by loading.
        grown_bytes: Of the device, by further calls.
        kept_bytes: Of the device, after the second close more than after the first.
        spoilt: Whether an edit of the kept engine was found, and it loaded all the same; None: nothing is kept.
    """

    backend: str
    precision: Precision
    verdict: Verdict = "passed"
    reasons: list[str] = field(default_factory=list)
    device: str = ""
    first_load_s: float | None = None
    next_load_s: float | None = None
    golden: float | None = None
    odd_batches: float | None = None
    cells_per_s: dict[int, float] = field(default_factory=dict)
    lone_p50_ms: float | None = None
    lone_p99_ms: float | None = None
    memory_bytes: int | None = None
    grown_bytes: int | None = None
    kept_bytes: int | None = None
    spoilt: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def fail(self, reason: str) -> None:
        """One thing was not as promised."""
        self.verdict = "failed"
        self.reasons.append(reason)


def examine(backend: str, precision: Precision, place: Place, effort: Effort) -> Outcome:
    """All of it; whatever goes wrong is in the outcome, and nothing is raised for it."""
    outcome = Outcome(backend, precision)
    try:
        _first_load(outcome, place, effort)
    except PoisonedRows as err:  # it loaded, and computes nonsense
        outcome.fail(str(err))
        return outcome
    except (MissingPackage, BadConfig, EngineFault) as err:
        outcome.verdict = "refused" if isinstance(err, EngineFault) else "not possible"
        outcome.reasons.append(str(err))
        return outcome
    except PhenostreamError as err:
        outcome.fail(str(err))
        return outcome
    try:
        _work(outcome, place, effort)
        _spoilt_load(outcome, place, effort)
    except PhenostreamError as err:
        outcome.fail(str(err))
    return outcome


def _first_load(outcome: Outcome, place: Place, effort: Effort) -> None:
    began = time.perf_counter()
    with closing(_opened(outcome, place, effort)) as backend:
        outcome.first_load_s = round(time.perf_counter() - began, 2)
        outcome.device = backend.device


def _work(outcome: Outcome, place: Place, effort: Effort) -> None:
    """A second load, and everything that a loaded backend is asked."""
    before, began = place.card.used_bytes(), time.perf_counter()
    with closing(_opened(outcome, place, effort)) as backend:
        outcome.next_load_s = round(time.perf_counter() - began, 2)
        outcome.golden = place.golden(backend)
        _ask_in_odd_batches(outcome, backend, place.crops)
        for batch in effort.batches:
            if batch <= backend.max_batch:
                rate, _ = time_backend(backend, backend.streams, batch, effort.seconds)
                outcome.cells_per_s[batch] = round(rate, 1)
        p50, p99 = np.percentile(time_one_cell(backend, effort.lone_calls), [50, 99])
        outcome.lone_p50_ms, outcome.lone_p99_ms = round(float(p50), 3), round(float(p99), 3)
        loaded = place.card.used_bytes()
        outcome.memory_bytes = loaded - before
        time_one_cell(backend, effort.memory_calls)
        outcome.grown_bytes = place.card.used_bytes() - loaded
    outcome.kept_bytes = place.card.used_bytes() - before
    for what, grown in (("calls", outcome.grown_bytes), ("a second load", outcome.kept_bytes)):
        if grown > _MAY_GROW:
            outcome.fail(
                f"{what} took {grown >> 20} MiB of device memory, allowed {_MAY_GROW >> 20}"
            )


def _ask_in_odd_batches(outcome: Outcome, backend: Backend, crops: Crops) -> None:
    """The same crops in one batch and in batches that no bucket has."""
    count = min(len(crops), backend.max_batch)
    whole = backend.infer(crops.images[:count], crops.background[:count])
    worst, kept = 0.0, 1.0
    for size in _ODD_BATCHES:
        for start in range(0, count, size):
            part = slice(start, min(start + size, count))
            found = backend.infer(crops.images[part], crops.background[part])
            worst = max(worst, _apart(found, whole.take(part)))
            kept = min(
                kept, float((found.most_probable() == whole.take(part).most_probable()).mean())
            )
    outcome.odd_batches = worst
    if outcome.precision == "int8":
        if kept < DECISION_AGREEMENT:
            outcome.fail(f"batches of other sizes keep {kept:.1%} of the classes")
    elif worst > LOGIT_TOLERANCE[outcome.precision]:
        allowed = LOGIT_TOLERANCE[outcome.precision]
        outcome.fail(f"batches of other sizes differ by {worst:.2g}, allowed {allowed:.2g}")


def _spoilt_load(outcome: Outcome, place: Place, effort: Effort) -> None:
    """With an edited byte in every kept file: it must be found and built again, and never run."""
    files = (
        [] if place.cache is None else [path for path in place.cache.rglob("*") if path.is_file()]
    )
    if not files:
        return
    edited: dict[Path, bytes] = {}
    for path in files:
        content = bytearray(path.read_bytes())
        if content:
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
            edited[path] = bytes(content)
    with closing(_opened(outcome, place, effort)) as backend:
        place.golden(backend)
    left = [
        path for path, content in edited.items() if path.exists() and path.read_bytes() == content
    ]
    outcome.spoilt = not left
    if left:
        outcome.fail("an edited engine was left where it is kept: nobody found the edit")


def _opened(outcome: Outcome, place: Place, effort: Effort) -> Backend:
    return place.open_way(outcome.backend, outcome.precision, effort.streams, max(effort.batches))


def _apart(one: Outputs, other: Outputs) -> float:
    pairs = ((one.class_logits, other.class_logits), (one.marker_z, other.marker_z))
    return max(float(np.abs(found - expected).max()) for found, expected in pairs)
