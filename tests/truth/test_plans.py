"""Whatever a language model chooses, the text is true: every alternative of every choice, judged by the facts alone."""

from typing import Final

from tests.truth.survey import survey_plans

SEEDS: Final = range(1000, 1064)
"""Other populations than those the phrases were made with."""


def test_whatever_a_plan_can_say_is_true() -> None:
    survey = survey_plans(SEEDS, walks=3)
    assert survey.wrong == 0, survey.shown[0]
    assert survey.texts > 1000


def test_whatever_a_plan_can_say_in_german_is_true() -> None:
    survey = survey_plans(SEEDS[:32], walks=1, language="de")
    assert survey.wrong == 0, survey.shown[0]
    assert survey.texts > 400
