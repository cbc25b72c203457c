"""The verdict on a microscope's illuminations: which one each announced shot truly is, and what that is called.

Values only; `engine.optics.diagnosis` finds them, `engine.optics.orientation_text` puts them into words.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Final, Literal, get_args

Fault = Literal[
    "ok",
    "left_right_swapped",
    "top_bottom_swapped",
    "half_turn",
    "quarter_turn_clockwise",
    "quarter_turn_anticlockwise",
    "mirrored_diagonally",
    "permuted",
    "repeated",
    "missing",
    "turned",
    "undecided",
]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)


@dataclass(frozen=True, slots=True)
class ShotDipole:
    """One announced shot.

    Attributes:
        announced: What it is called.
        truth: The illumination it is, or None where its dipole points nowhere.
        magnitude: Length of the mean dipole, as a share; cells give 0.3 to 0.5.
        angle_deg: Its direction, 0 right, 90 up, as displayed; None without a dipole.
        standard_error: Of either component of the mean.
        margin: Standard errors between this verdict and the next best one; infinite for a shot without light.
        lit: The shot has light.
    """

    announced: str
    truth: str | None
    magnitude: float
    angle_deg: float | None
    standard_error: float
    margin: float
    lit: bool

    @property
    def right(self) -> bool:
        """It is what it is called."""
        return self.truth == self.announced


@dataclass(frozen=True, slots=True)
class Orientation:
    """The verdict on one set of cells.

    Attributes:
        fault: ``ok``, ``undecided``, or what is wrong; one of `FAULTS`.
        text: The same in plain words, one sentence.
        confidence: Probability that every shot's verdict is right, from the scatter of the cells alone.
        cells: How many cells were asked (their effective number in a fading window).
        shots: One per present shot, in engine order.
        channel_map: Announced shot: true shot, that mends it; None where none is needed or can.
        turn_deg: Angle by which all dipoles stand off their axes, anticlockwise as displayed.
        more_cells: About how many more cells would decide; None where it is decided or more cells cannot help.
    """

    fault: Fault
    text: str
    confidence: float
    cells: float
    shots: tuple[ShotDipole, ...]
    channel_map: Mapping[str, str] | None = None
    turn_deg: float = 0.0
    more_cells: int | None = None

    @property
    def decided(self) -> bool:
        """Whether the cells sufficed for a verdict."""
        return self.fault != "undecided"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        told = asdict(self)
        for shot in told["shots"]:
            shot["margin"] = shot["margin"] if isfinite(shot["margin"]) else None
        return told
