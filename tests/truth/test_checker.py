"""The checker itself: it finds what was planted and what real models made up, and it reads nothing into gaps."""

import random
from dataclasses import replace
from typing import Final

import pytest

from phenostream.engine.summary.facts import (
    ClassFacts,
    Facts,
    FrameAccount,
    MarkerFacts,
    wilson_interval,
)
from phenostream.engine.summary.template import write_summary
from phenostream.engine.summary.verify import faults
from tests.engine.summary.populations import population
from tests.truth.checker import falsehoods
from tests.truth.lies import lies
from tests.truth.survey import survey_lies
from tests.truth.tokens import row_of
from tests.truth.tongues import ENGLISH, GERMAN

SEEDS: Final = range(40)
CAVEAT: Final = "Research use only, not a diagnosis."


def facts_of(counts: dict[str, int], medians: dict[str, float] | None = None) -> Facts:
    """A window of eight frames."""
    total = sum(counts.values())
    markers = tuple(
        MarkerFacts(name, value, value / 2, 2 * value, None, None)
        for name, value in (medians or {}).items()
    )
    classes = tuple(
        ClassFacts(
            name,
            count,
            count / total,
            *wilson_interval(count, total),
            0.91,
            markers if count else (),
        )
        for name, count in counts.items()
    )
    return Facts(
        frames=8, found=total, classified=total, edge=0, rejected=0, over_limit=0, rejected_share=0.0,
        mean_confidence=0.91, unusual=0, unusual_share=0.0, classes=classes, marker_unit="a.u.",
        interval_coverage=None, calibrated=True, synthetic=False, model_synthetic=False,
        source_synthetic=False, model="demo 1", instrument="A01-17",
    )  # fmt: skip


A: Final = facts_of({"granulocyte": 79, "lymphocyte": 41, "monocyte": 8}, {"CD45": 182.4})
B: Final = facts_of({"lymphocyte": 52, "granulocyte": 7, "monocyte": 5}, {"CD45": 182.4})
C: Final = facts_of({"lymphocyte": 10, "granulocyte": 4, "monocyte": 3})

TOLD_BY_MODELS: Final = [
    (A, "Field A01-17 contains 128 cells, mostly granulocytes (41), with 41 lymphocytes and 79 monocytes."),
    (B, "B03-02 contains 64 cells, mostly granulocytes (52), with 5 lymphocytes and 7 monocytes."),
    (A, "Predicted CD34 averages 58.1 with SD 14.9."),
    (A, "a mean of 182.4 cells per square millimeter, and a low confidence level of 91%"),
    (B, "64 cells were found, mostly granulocytes (7)."),
    (C, "10 lymphocytes, 10 lymphocytes, 10 lymphocytes, 10 lymphocytes, 10 lymphocytes, 10"),
    (C, "Field C11-40 contains 17 cells, mostly neutrophils (3), with 4,000 cells."),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "text"), TOLD_BY_MODELS)
def test_what_real_models_made_up_is_found(facts: Facts, text: str) -> None:
    assert falsehoods(f"{text} {CAVEAT}", facts)


def test_every_planted_lie_is_caught() -> None:
    survey = survey_lies(SEEDS)
    assert not survey.missed
    assert survey.caught == survey.planted
    assert survey.planted.total() > 1000
    assert min(survey.planted.values()) > 15


TRUE: Final = (
    "128 cells were found in 8 frames: 128 were classified. Most classified cells are granulocytes (79, 61.7 %), with "
    f"41 lymphocytes (32.0 %) and 8 monocytes (6.2 %). {CAVEAT}"
)


def test_a_true_text_is_not_refused() -> None:
    assert falsehoods(TRUE, A) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("79", "41"),
        ("61.7 %", "61.8 %"),
        ("61.7 %", "62 %, that is 61.7 %, more than before"),
        ("Most classified", "No classified"),
        ("Most classified cells are", "All classified cells are"),
        ("Most classified", "Half of the classified"),
        ("128 were", "129 were"),
        ("8 frames", "eight frames"),
        ("8 frames", "8 fields"),
        ("lymphocytes", "small lymphocytes"),
        ("lymphocytes", "B lymphocytes"),
        (" with 41", " with about 41"),
        (CAVEAT, "Research use only, a diagnosis."),
        (CAVEAT, ""),
        ("found in 8 frames", "found within 8 minutes"),
    ],
)
def test_a_text_with_one_word_too_many_or_another_is_refused(old: str, new: str) -> None:
    assert old in TRUE
    assert falsehoods(TRUE.replace(old, new, 1), A)


def test_what_must_be_said_is_missed() -> None:
    unsaid = [one.words for one in falsehoods(TRUE, replace(A, synthetic=True))]
    assert unsaid == ["that it is synthetic"]


def test_rounding_is_that_of_the_digits_that_are_written() -> None:
    row = row_of("6.2 % 6.3 % 6 % 1,234 1.23e+03 0.5", A, ENGLISH)
    assert [one.rounds(0.0625) for one in row.numbers[:3]] == [True, True, True]
    assert not row.numbers[0].rounds(0.0614)
    assert row.numbers[3].is_exactly(1234)
    assert not row.numbers[4].is_exactly(1230)
    assert row.numbers[4].rounds(1234.9)
    assert not row.numbers[5].rounds(0.56)


def test_german_numbers_have_their_comma_and_their_point_the_other_way_round() -> None:
    row = row_of("57,5 % 1.615 0,801 (95-%-Intervall -5,29 bis 19,8)", A, GERMAN)
    assert [one.value for one in row.numbers] == pytest.approx(
        [0.575, 1615, 0.801, 0.95, -5.29, 19.8]
    )


def test_the_verifier_of_free_text_catches_lies_that_it_was_not_made_with() -> None:
    survey = survey_lies(range(8), judge=lambda text, facts: bool(faults(text, facts)))
    assert not survey.missed
    assert survey.refused == 0 < survey.true


def test_a_lie_in_german_is_caught() -> None:
    survey = survey_lies(SEEDS[:20], "de")
    assert not survey.missed
    assert survey.planted["another number"] > 50


def test_a_lie_of_each_kind_can_be_planted() -> None:
    rng = random.Random(1)  # noqa: S311 - a draw that can be repeated
    kinds = {lie.kind for lie in lies(TRUE, A, rng)}
    assert {
        "another number",
        "two classes exchanged",
        "a false majority",
        "a verb negated",
    } <= kinds


def test_frames_told_of_twice_in_the_place_of_others_are_found_to_be_missing() -> None:
    plain = population(7)
    account = FrameAccount(plain.frames + 2, plain.frames, 1, 0, 0, 1)
    facts = replace(plain, scope="run", account=account, by_other_models=0)
    text = write_summary(facts, "line")
    assert falsehoods(text, facts) == []
    lie = text.replace("1 missing", "1 dropped")
    assert [one.words for one in falsehoods(lie, facts)] == ["that frames are missing"]
