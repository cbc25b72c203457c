"""What the mean dipoles of many cells are called: every wiring, and everything that is no wiring."""

from itertools import permutations

import numpy as np
import pytest

from phenostream.engine.optics.diagnosis import diagnose
from phenostream.engine.optics.dipole_sums import MeanDipoles
from phenostream.engine.optics.illumination import TILT
from phenostream.engine.optics.orientation import FAULTS, Fault, Orientation
from phenostream.engine.types import SHOTS


def mean(
    truths: tuple[str | None, ...],
    *,
    cells: float = 20.0,
    error: float = 0.03,
    length: float = 0.4,
    alike: float = 0.98,
    turn_deg: float = 0.0,
    lit: bool = True,
) -> MeanDipoles:
    """Dipoles that point exactly where the true illuminations put them, turned anticlockwise as displayed."""
    turn = np.deg2rad(turn_deg)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    vector = np.array([turned @ TILT[t] if t else (0.0, 0.0) for t in truths]) * length
    likeness = np.array([[alike if a and a == b else -0.3 for b in truths] for a in truths])
    np.fill_diagonal(likeness, 1.0)
    there = np.array([1.0 if lit or t else 0.0 for t in truths])
    covariance = np.tile(np.eye(2) * error**2, (4, 1, 1))
    return MeanDipoles(cells, vector, covariance, likeness, there, np.zeros((4, 28, 28)))


@pytest.mark.parametrize("truths", list(permutations(SHOTS)))
def test_each_of_the_24_wirings_is_recognised_and_its_map_mends_it(truths: tuple[str, ...]) -> None:
    told = diagnose(mean(truths))
    assert tuple(shot.truth for shot in told.shots) == truths
    if truths == SHOTS:
        assert (told.fault, told.channel_map) == ("ok", None)
        return
    assert told.fault not in ("ok", "undecided", "repeated", "missing", "turned")
    assert told.channel_map == dict(zip(SHOTS, truths, strict=True))
    assert all(f"{a} is really {t}" in told.text for a, t in zip(SHOTS, truths, strict=True) if a != t)  # fmt: skip


NAMED: list[tuple[tuple[str, ...], Fault]] = [
    (("right", "left", "top", "bottom"), "left_right_swapped"),
    (("left", "right", "bottom", "top"), "top_bottom_swapped"),
    (("right", "left", "bottom", "top"), "half_turn"),
    (("bottom", "top", "left", "right"), "quarter_turn_clockwise"),
    (("top", "bottom", "right", "left"), "quarter_turn_anticlockwise"),
    (("top", "bottom", "left", "right"), "mirrored_diagonally"),
    (("left", "top", "right", "bottom"), "permuted"),
]


@pytest.mark.parametrize(("truths", "fault"), NAMED)
def test_wirings_have_names(truths: tuple[str, ...], fault: Fault) -> None:
    assert diagnose(mean(truths)).fault == fault


def test_a_quarter_turn_is_named_as_it_is_seen() -> None:
    """Turned clockwise as displayed, the left shot's bright side goes from the right to the bottom."""
    told = diagnose(mean(SHOTS, turn_deg=-90))
    assert told.fault == "quarter_turn_clockwise"
    assert told.shots[0].angle_deg == pytest.approx(-90)


@pytest.mark.parametrize(
    ("alike", "how"), [(1.0, "the same exposure, copied"), (0.98, "correlation 0.98")]
)
def test_a_repeated_shot_is_named_and_no_map_is_offered(alike: float, how: str) -> None:
    told = diagnose(mean(("left", "right", "left", "bottom"), alike=alike))
    assert (told.fault, told.channel_map) == ("repeated", None)
    assert f"the top shot repeats left's light ({how})" in told.text
    assert "no shot shows top" in told.text


def test_one_dipole_without_one_image_is_no_repeat() -> None:
    told = diagnose(mean(("left", "right", "left", "bottom"), alike=0.3))
    assert told.fault == "undecided"
    assert told.more_cells is None
    assert "not one image" in told.text


@pytest.mark.parametrize(("lit", "words"), [(False, "no light"), (True, "not tilted")])
def test_a_missing_shot_is_named(lit: bool, words: str) -> None:
    told = diagnose(mean(("left", "right", "top", None), lit=lit))
    assert (told.fault, told.channel_map) == ("missing", None)
    assert "the bottom shot has" in told.text
    assert words in told.text


def test_a_turned_camera_is_told_from_a_wrong_wiring() -> None:
    told = diagnose(mean(SHOTS, turn_deg=25, error=0.01))
    assert (told.fault, told.channel_map) == ("turned", None)
    assert told.turn_deg == pytest.approx(25)
    assert "+25 degrees" in told.text


def test_few_cells_decide_nothing_and_say_how_many_more_would() -> None:
    told = diagnose(mean(SHOTS, cells=2))
    assert (told.fault, told.more_cells) == ("undecided", 4)
    told = diagnose(mean(SHOTS, cells=20, error=0.4))
    assert told.fault == "undecided"
    assert told.more_cells is not None
    assert told.more_cells > 20


def test_no_dipole_anywhere_is_no_tilted_light() -> None:
    told = diagnose(mean(SHOTS, length=0.01, error=0.001))
    assert (told.fault, told.more_cells) == ("undecided", None)


def test_confidence_falls_with_the_scatter() -> None:
    sure, unsure = diagnose(mean(SHOTS, error=0.02)), diagnose(mean(SHOTS, error=0.15))
    assert 0.999 < sure.confidence <= 1.0
    assert unsure.confidence < 0.95


@pytest.mark.parametrize("present", [("left", "right"), ("top",)])
def test_only_the_shots_that_were_taken_are_judged(present: tuple[str, ...]) -> None:
    truths = tuple(name if name in present else None for name in SHOTS)
    told = diagnose(mean(truths), present)
    assert told.fault == "ok"
    assert tuple(shot.announced for shot in told.shots) == present


def test_a_swapped_pair_alone_gives_a_whole_map() -> None:
    told = diagnose(mean(("right", "left", None, None)), ("left", "right"))
    assert told.fault == "left_right_swapped"
    assert told.channel_map == {"left": "right", "right": "left", "top": "top", "bottom": "bottom"}


def test_a_verdict_can_be_written_as_json() -> None:
    told = diagnose(mean(("left", "right", "top", None), lit=False))
    assert isinstance(told, Orientation)
    assert told.as_dict()["shots"][3]["margin"] is None
    assert len(set(FAULTS)) == len(FAULTS) == 12
