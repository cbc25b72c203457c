"""Plain words for what is wrong with a microscope's shots: one sentence that a person at the bench can act on."""

from collections.abc import Mapping, Sequence
from typing import Final

from phenostream.engine.optics.orientation import Fault, ShotDipole
from phenostream.engine.types import SHOTS

_COPIED: Final = 0.99999
"""From this correlation on two shots are one exposure: two exposures differ by their noise."""
_ORDERS: Final[dict[Fault, str]] = {
    "left_right_swapped": "left and right are exchanged (or the image is mirrored left to right)",
    "top_bottom_swapped": "top and bottom are exchanged (or the image is mirrored top to bottom)",
    "half_turn": "both pairs are exchanged (or the image is turned by half a turn)",
    "quarter_turn_clockwise": (
        "the shots are moved round by a quarter turn clockwise (or the image is turned so)"
    ),
    "quarter_turn_anticlockwise": (
        "the shots are moved round by a quarter turn anticlockwise (or the image is turned so)"
    ),
    "mirrored_diagonally": "the two pairs are exchanged (or the image is mirrored along a diagonal)",
    "permuted": "the shots are wired in another order",
}
_NO_MAP: Final = "no channel map can mend it"


def in_words(
    fault: Fault,
    shots: Sequence[ShotDipole],
    likeness: Mapping[tuple[str, str], float],
    turn_deg: float,
) -> str:
    """One sentence for a verdict other than ``undecided``.

    Args:
        fault: What it is called.
        shots: The judged shots.
        likeness: Correlation of the pixels of shots that were taken for the same illumination.
        turn_deg: Angle of the camera against the illumination, anticlockwise; 0 where it does not matter.
    """
    turned = (
        f"the light is turned by {turn_deg:+.0f} degrees against the camera" if turn_deg else ""
    )
    if fault == "ok":
        return "every shot is what it is called"
    if fault == "turned":
        return f"{turned}; turn one of them, {_NO_MAP}"
    if fault == "missing":
        said = [_missing(shot) for shot in shots if shot.truth is None]
    elif fault == "repeated":
        said = [_repeated(shots, *pair, alike) for pair, alike in likeness.items()]
    else:
        moved = [f"{s.announced} is really {s.truth}" for s in shots if not s.right]
        return "; ".join(part for part in (_ORDERS[fault], ", ".join(moved), turned) if part)
    return "; ".join([*said, *_lacking(shots), _NO_MAP])


def _missing(shot: ShotDipole) -> str:
    if not shot.lit:
        return f"the {shot.announced} shot has no light"
    return (
        f"the {shot.announced} shot has light, but it is not tilted: its cells have no bright side"
    )


def _repeated(shots: Sequence[ShotDipole], one: str, other: str, alike: float) -> str:
    truth = next(str(shot.truth) for shot in shots if shot.announced == one)
    wrong = [name for name in (one, other) if name != truth]
    how = "the same exposure, copied" if alike >= _COPIED else f"correlation {alike:.2f}"
    if len(wrong) == 2:
        return f"{one} and {other} both show {truth}'s light ({how})"
    return f"the {wrong[0]} shot repeats {truth}'s light ({how})"


def _lacking(shots: Sequence[ShotDipole]) -> list[str]:
    """Which of the announced illuminations no shot shows."""
    shown = {shot.truth for shot in shots}
    announced = {shot.announced for shot in shots}
    gone = [name for name in SHOTS if name in announced and name not in shown]
    return [f"no shot shows {' or '.join(gone)}"] if gone else []
