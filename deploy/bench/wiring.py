"""What may be wrong with the shots of a frame, made on purpose: the faults that `bench orientation` looks for.

Knows counts of right frames (4, H, W) in engine order; each fault gives new counts and says what each announced shot
then truly is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.optics.orientation import Fault
from phenostream.engine.types import SHOTS

Counts = npt.NDArray[np.uint16]
Truths = tuple[str | None, ...]
_ELECTRONS_PER_COUNT: Final = 5.0
_NO_LIGHT_COUNTS: Final = 30


@dataclass(frozen=True, slots=True)
class Faulty:
    """One frame with a fault.

    Attributes:
        counts: (4, H, W), in the announced order.
        truths: What each announced shot truly is; None where it has no tilted light of its own.
        fault: What `check-orientation` should call it.
    """

    counts: Counts
    truths: Truths
    fault: Fault


Make = Callable[[Counts, np.random.Generator], Faulty]


def _wired(truths: tuple[str, ...], fault: Fault) -> Make:
    def make(counts: Counts, _rng: np.random.Generator) -> Faulty:
        return Faulty(counts[[SHOTS.index(truth) for truth in truths]], truths, fault)

    return make


def _across(counts: Counts, rng: np.random.Generator) -> Faulty:
    """One of the 16 orders that no mirror and no turn of the camera gives: the light does not add up either."""
    orders = [order for order in permutations(SHOTS) if _opposite(order[0]) != order[1]]
    truths = orders[rng.integers(len(orders))]
    return _wired(truths, "permuted")(counts, rng)


def _opposite(shot: str) -> str:
    return SHOTS[SHOTS.index(shot) ^ 1]


def _copied(counts: Counts, rng: np.random.Generator) -> Faulty:
    """A shot that is another shot's exposure."""
    source, target = (int(index) for index in rng.permutation(4)[:2])
    made = counts.copy()
    made[target] = counts[source]
    return Faulty(made, _with(target, SHOTS[source]), "repeated")


def _lit_again(counts: Counts, rng: np.random.Generator) -> Faulty:
    """A shot under another shot's illumination: the same light with noise of its own."""
    made = _copied(counts, rng)
    target = next(k for k, truth in enumerate(made.truths) if truth != SHOTS[k])
    light = made.counts[target].astype(np.float64)
    noisy = light + rng.normal(size=light.shape) * np.sqrt(light / _ELECTRONS_PER_COUNT)
    made.counts[target] = np.clip(noisy, 0, np.iinfo(np.uint16).max)
    return made


def _no_light(counts: Counts, rng: np.random.Generator) -> Faulty:
    target, made = int(rng.integers(4)), counts.copy()
    made[target] = np.clip(rng.normal(_NO_LIGHT_COUNTS, 2, counts.shape[1:]), 0, None)
    return Faulty(made, _with(target, None), "missing")


def _not_tilted(counts: Counts, rng: np.random.Generator) -> Faulty:
    """Both halves lit: a bright-field shot."""
    target, made = int(rng.integers(4)), counts.copy()
    made[target] = counts[[target, target ^ 1]].mean(axis=0)
    return Faulty(made, _with(target, None), "missing")


def _moved(pixels: int) -> Make:
    """A stage or camera that moved between two shots."""

    def make(counts: Counts, rng: np.random.Generator) -> Faulty:
        target, made = int(rng.integers(4)), counts.copy()
        step = (pixels, 0) if rng.random() < 0.5 else (0, pixels)
        made[target] = np.roll(counts[target], step, axis=(0, 1))
        return Faulty(made, SHOTS, "ok")

    return make


def _with(target: int, truth: str | None) -> Truths:
    return tuple(truth if index == target else name for index, name in enumerate(SHOTS))


WIRING: Final[Mapping[str, Make]] = {
    "none": _wired(SHOTS, "ok"),
    "left and right swapped": _wired(("right", "left", "top", "bottom"), "left_right_swapped"),
    "top and bottom swapped": _wired(("left", "right", "bottom", "top"), "top_bottom_swapped"),
    "both pairs swapped": _wired(("right", "left", "bottom", "top"), "half_turn"),
    "cyclic shift, clockwise": _wired(("bottom", "top", "left", "right"), "quarter_turn_clockwise"),
    "cyclic shift, anticlockwise": _wired(
        ("top", "bottom", "right", "left"), "quarter_turn_anticlockwise"
    ),
    "pairs exchanged": _wired(("top", "bottom", "left", "right"), "mirrored_diagonally"),
    "pairs exchanged, crosswise": _wired(("bottom", "top", "right", "left"), "mirrored_diagonally"),
    "any other order": _across,
    "one exposure copied": _copied,
    "one illumination lit twice": _lit_again,
    "one shot without light": _no_light,
    "one shot not tilted": _not_tilted,
}
"""Faults that the dipoles show; of any kind, the shot is drawn for every frame."""

MOVED: Final[Mapping[str, Make]] = {f"one shot moved {n} px": _moved(n) for n in (1, 2, 4, 8)}
"""Faults that only the light shows; pixels of the camera."""
