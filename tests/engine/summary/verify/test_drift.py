"""What may be said of drift: how many of what was watched, from what; nothing else, and not nothing."""

from dataclasses import replace
from typing import Final

import pytest

from phenostream.engine.summary.drifted import DriftFacts
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import first
from phenostream.engine.summary.verify import faults
from phenostream.engine.summary.wording import LANGUAGES, STYLES, Style, plan_of
from tests.engine.summary.verify.small import small_facts
from tests.truth.checker import falsehoods

CAVEAT: Final = "Research use only, not a diagnosis."
TRAINED, CALM = DriftFacts("training", 25, 3), DriftFacts("previous_run", 29, 0)


def facts(*drift: DriftFacts) -> Facts:
    return replace(small_facts((41, 79, 8)), drift=drift)


@pytest.mark.parametrize(
    "said",
    [
        "3 of 25 watched quantities have drifted from the training population.",
        "Of 25 watched quantities, three have drifted from the training population.",
        "Of 25 watched quantities, 3 have drifted from the training population. None of 29 watched quantities is shown "
        "to have drifted from the previous run.",
    ],
)
def test_what_the_watch_found_may_be_said(said: str) -> None:
    assert faults(f"{said} {CAVEAT}", facts(TRAINED, CALM)) == []


@pytest.mark.parametrize(
    "lie",
    [
        "4 of 25 watched quantities have drifted from the training population.",
        "3 of 29 watched quantities have drifted from the training population.",
        "3 of 25 watched quantities have drifted from the previous run.",
        "3 of 25 watched quantities have drifted from the drift reference.",
        "None of 25 watched quantities is shown to have drifted from the training population.",
        "3 of 25 watched quantities have drifted from the training population. None of 29 watched quantities has "
        "drifted from the previous run.",
        "3 of 25 watched quantities have drifted from the training population. Nothing drifted from the previous run.",
        "3 of 25 watched quantities have drifted from the training population. 0 of 29 watched quantities have drifted "
        "from the previous run.",
        "3 of 25 watched quantities have drifted from the training population. Of 29 watched quantities, zero have "
        "drifted from the previous run.",
        "3 granulocytes have drifted from the training population.",
        "79 granulocytes were found.",
    ],
)
def test_anything_else_is_refused_and_so_is_silence(lie: str) -> None:
    assert faults(f"{lie} {CAVEAT}", facts(TRAINED, CALM))


def test_where_nothing_has_drifted_nothing_need_be_said() -> None:
    assert faults(f"79 granulocytes were found. {CAVEAT}", facts(CALM)) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("style", STYLES)
def test_every_style_says_that_something_has_drifted(style: Style, language: str) -> None:
    told = facts(TRAINED)
    text = first(plan_of(told, style, language))
    assert "3" in text
    assert ("drifted from" if language == "en" else "abgedriftet") in text
    assert falsehoods(text, told, language) == []
    lie = text.replace("3 of 25", "2 of 25").replace("3 von 25", "2 von 25")
    assert lie != text
    assert falsehoods(lie, told, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_the_lab_style_says_that_nothing_has(language: str) -> None:
    told = facts(CALM)
    said = {style: first(plan_of(told, style, language)) for style in STYLES}
    word = "drifted" if language == "en" else "abgedriftet"
    assert [style for style, text in said.items() if word in text] == ["lab"]


def test_facts_that_contradict_themselves_are_refused() -> None:
    from phenostream.engine.errors import BadMessage

    for drift, why in (
        ((DriftFacts("training", 2, 3),), "3 of 2 tested"),
        ((TRAINED, TRAINED), "two against the same"),
        ((DriftFacts("training", 0, 0),), "0 of 0 tested"),
    ):
        with pytest.raises(BadMessage, match=why):
            Facts.from_dict(facts(*drift).as_dict())
