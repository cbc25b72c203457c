import pytest

from phenostream.trainer.evaluation.schema.reproduction import SeedSpread
from phenostream.trainer.reproduce.verdicts import (
    PUBLISHED,
    WORDING,
    Standing,
    verdicts,
)

PAPER = Standing("paper", synthetic=False, quick=False)


def spread(accuracy: float, r: float) -> tuple[SeedSpread, ...]:
    return (
        SeedSpread(name="accuracy", mean=accuracy, sd=0.004, values=(accuracy,) * 3),
        SeedSpread(name="r CD16, linear", mean=r, sd=None, values=(r, None, None)),
    )


@pytest.mark.parametrize(
    ("accuracy", "r", "reproduced"),
    [
        (0.913, 0.726, (True, True)),
        (0.8931, 0.7559, (True, True)),
        (0.8929, 0.7561, (False, False)),
        (0.95, 0.70, (False, True)),
    ],
)
def test_the_gate_is_two_points_and_three_hundredths(
    accuracy: float, r: float, reproduced: tuple[bool, bool]
) -> None:
    said = verdicts(spread(accuracy, r), None, PAPER)
    assert tuple(one.reproduced for one in said) == reproduced
    for one in said:
        assert one.text.startswith("reproduced: " if one.reproduced else "not reproduced: ")
        assert WORDING in one.text


def test_a_verdict_says_x_against_y_plus_minus_z() -> None:
    first, second = verdicts(spread(0.85, 0.5), None, PAPER)
    assert first.text == (
        "not reproduced: accuracy 85.0 % (sd 0.4 % over 3 seeds) against 91.3 % ± 2.0 % "
        "(published, different split/targets unclear)"
    )
    assert second.text.startswith(
        "not reproduced: r CD16, linear 0.500 (one seed) against 0.726 ± 0.030"
    )


def test_simulated_cells_reproduce_nothing_however_good() -> None:
    for one in verdicts(spread(0.913, 0.726), None, Standing("paper", synthetic=True, quick=False)):
        assert one.reproduced is False
        assert "a synthetic mirror can reproduce nothing about blood" in one.text


@pytest.mark.parametrize("protocol", ["clean", "fov", "slide"])
def test_only_the_published_split_is_compared(protocol: str) -> None:
    for one in verdicts(
        spread(0.913, 0.726), None, Standing(protocol, synthetic=False, quick=True)
    ):
        assert one.reproduced is None
        assert one.text.startswith(f"no verdict under {protocol}")
        assert "a quick run" in one.text


def test_no_figure_is_no_verdict() -> None:
    assert [one.reproduced for one in verdicts((), None, PAPER)] == [None, None]
    refused = verdicts(spread(0.913, 0.726), "12 monocytes, fewer than 30", PAPER)
    assert [one.reproduced for one in refused] == [None, None]
    assert refused[0].text == "accuracy: no verdict, 12 monocytes, fewer than 30"


def test_published_rows_are_references_with_their_warning() -> None:
    assert WORDING == "published, different split/targets unclear"
    assert [(one.value, one.tolerance) for one in PUBLISHED] == [(0.913, 0.02), (0.726, 0.03)]
