"""The real language model, as a summariser has it: no untrue word, whatever it chooses, and no order that it obeys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from phenostream.daemon.summariser.author import Author, Mode, Worded
from phenostream.daemon.summariser.link import Link, WorkerSetup
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import first, says
from phenostream.engine.summary.wording import Style, plan_of
from tests.daemon.summariser.real_models import real_model
from tests.engine.summary.populations import population
from tests.truth.hostile import HOSTILE, PLACES, benign
from tests.truth.model_survey import survey_model
from tests.truth.survey import survey_lies, survey_plans
from tests.truth.table import as_json, lie_lines, model_lines, plan_lines

DEADLINE_S: Final = 50.0
SEEDS: Final[dict[Style, range]] = {"bedside": range(2006, 2011), "line": range(2000, 2004)}
"""Populations in CI; `make nightly` has 500."""


@pytest.fixture(scope="module")
def author() -> Iterator[Author]:
    with Link(WorkerSetup(Path(real_model()), idle=False)) as link:
        link.open(DEADLINE_S)
        yield Author(link)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("style", SEEDS)
def test_nothing_that_the_model_writes_is_untrue(author: Author, style: Style) -> None:
    survey = survey_model(author, SEEDS[style], style, "grammar", DEADLINE_S)
    assert survey.wrong == []
    assert survey.sources == {"llm-grammar": len(SEEDS[style])}, survey.refused
    assert len(survey.texts) == len(SEEDS[style])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["an order to the model", "the end of the chat", "a new rule"])
def test_a_hostile_name_moves_the_model_to_nothing(author: Author, name: str) -> None:
    facts = PLACES["class"](benign(), HOSTILE[name])
    worded = author.write(facts, "line", "en", "grammar", DEADLINE_S)
    assert worded.source == "llm-grammar", worded.refused
    assert says(plan_of(facts, "line", "en"), worded.text)


class Liar:
    """Says what is true of another population."""

    def write(
        self, facts: Facts, style: Style, language: str, mode: Mode, deadline_s: float
    ) -> Worded:
        text = first(plan_of(population(7), style, language))
        return Worded(text, "llm-grammar", None, 1.5, 1, ("a try",))


def test_what_is_true_of_other_cells_is_untrue_and_told() -> None:
    survey = survey_model(Liar(), [6, 7, 8], "bedside", "grammar", 1.0)
    assert [one.seed for one in survey.wrong] == [6, 8]
    told = "\n".join(model_lines(survey))
    assert "untrue: 2 of 3 = 66.67 %" in told
    assert "p50 1.50" in told
    assert "UNTRUE (population 6, bedside)" in told
    assert "thrown away 3 times: a try" in told
    plans, lies = survey_plans(range(7, 9), 1), survey_lies(range(7, 9))
    assert f"{plans.texts:,}, untrue 0" in "\n".join(plan_lines(plans))
    assert "100.00 %" in "\n".join(lie_lines(lies))
    plain = as_json({"en": plans}, {"en": lies}, [survey])
    assert plain["model"][0]["untrue"] == 2
    assert plain["plans"]["en"]["untrue"] == 0
