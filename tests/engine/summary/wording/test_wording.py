import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Final

import pytest

from phenostream.engine.errors import BadConfig
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import Plan, choices, first, says
from phenostream.engine.summary.wording import LANGUAGES, STYLES, Style, plan_of
from phenostream.engine.summary.wording.styles import MOST_WORDS, words_of
from tests.engine.summary.populations import CASES, population

SEEDS: Final = range(4 * CASES)
CAVEATS: Final = {
    "en": ("Synthetic: ", "Research use only, not a diagnosis."),
    "de": ("Synthetisch: ", "Nur für die Forschung, keine Diagnose."),
}
_QUOTED: Final = re.compile(r"“[^”]*”|„[^“]*“")
_MARKER: Final = re.compile(r"\b(?:CD\d+|HLA-DR|Ki-67)\b|\blog10\b")
_NUMBER: Final = re.compile(r"-?\d[\d.,]*(?<=\d)(?:e[+-]?\d+)?")
_MEDICAL: Final = re.compile(
    r"leuk|cancer|tumou?r|malign|infect|sepsis|disease|patient|healthy|abnormal|normal\b|elevated|deficien|"
    r"treat|therap|suspicious|krank|krebs|gesund|infekt|auffällig|verdacht|erhöht\b",
    re.IGNORECASE,
)
"""No word of ours; a name that a stranger chose stands in quotation marks."""


@pytest.fixture(scope="module")
def populations() -> list[Facts]:
    return [population(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def plans(populations: list[Facts]) -> list[tuple[Facts, str, Plan]]:
    """In every style and language."""
    return [
        (facts, language, plan_of(facts, style, language))
        for facts in populations
        for style in STYLES
        for language in LANGUAGES
    ]


def ours(text: str) -> str:
    """Without the names of strangers."""
    return _QUOTED.sub("", text)


def numbers(text: str, language: str) -> Counter[str]:
    """As English writes them, without those of proteins."""
    said = _NUMBER.findall(_MARKER.sub("", ours(text)))
    swap = str.maketrans(",.", ".,")
    return Counter(number.translate(swap) if language == "de" else number for number in said)


def test_alternatives_differ_in_words_and_never_in_a_number_or_a_name(
    plans: list[tuple[Facts, str, Plan]],
) -> None:
    for _, language, plan in plans:
        for slot in plan:
            for one, other in pairwise(slot.alternatives):
                assert numbers(one, language) == numbers(other, language), (one, other)
                assert Counter(_QUOTED.findall(one)) == Counter(_QUOTED.findall(other))
                assert Counter(_MARKER.findall(one)) == Counter(_MARKER.findall(other))


def test_every_text_ends_with_the_caveat_and_says_nothing_medical(
    plans: list[tuple[Facts, str, Plan]],
) -> None:
    for facts, language, plan in plans:
        synthetic, research = CAVEATS[language]
        for slot in plan:
            for text in slot.alternatives:
                assert _MEDICAL.search(ours(text).replace(research, "")) is None, text
        (last,) = plan[-1].alternatives
        assert last.endswith(research)
        assert last.startswith(synthetic) == facts.synthetic
        assert says(plan, first(plan))


def test_sentences_are_set_as_sentences(plans: list[tuple[Facts, str, Plan]]) -> None:
    for _, _, plan in plans:
        for text in (first(plan), "".join(slot.alternatives[-1] for slot in plan)):
            assert text == text.strip()
            assert re.search(r"  | [.,;:)]|\.\.|,,|;;|\( |[;,]\. ", text) is None, text
            assert re.search(r"(?:^|\. )[a-zäöü]", ours(text)) is None, text


def test_german_and_english_tell_the_same_numbers(populations: list[Facts]) -> None:
    styles: tuple[Style, ...] = ("lab", "line")
    for facts in populations:
        for style in styles:
            english, german = (
                numbers(first(plan_of(facts, style, each)), each) for each in ("en", "de")
            )
            assert english == german


def test_the_lab_style_tells_every_count_share_median_and_change(populations: list[Facts]) -> None:
    for facts in populations:
        there = [one for one in facts.classes if one.count]
        expected = [f"{facts.frames:,}"]
        expected += [f"{facts.found:,}"] if facts.found else []
        for one in there:
            shares = (one.share, one.share_low, one.share_high)
            expected += [f"{one.count:,}", *(f"{100 * share:.1f}" for share in shares)]
            expected += [_value(marker.median) for marker in one.markers]
        for comparison in facts.comparisons:
            changed = [one for one in comparison.shares if one.verdict in ("up", "down")]
            expected += [f"{100 * one.low:.1f}" for one in changed]
        told = numbers(first(plan_of(facts, "lab")), "en")
        assert not Counter(expected) - told


def of_three_kinds(populations: list[Facts]) -> list[Facts]:
    return [facts for facts in populations if sum(one.count > 0 for one in facts.classes) == 3]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_usual_population_may_be_told_in_a_thousand_ways(
    populations: list[Facts], language: str
) -> None:
    several = of_three_kinds(populations)
    assert len(several) > len(SEEDS) // 4
    for facts in several:
        for style in STYLES:
            assert choices(plan_of(facts, style, language)) >= 1000


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_bedside_summary_of_a_whole_window_has_sixty_words_at_most(
    populations: list[Facts], language: str
) -> None:
    names = ("lymphocyte", "granulocyte", "monocyte")
    for facts in of_three_kinds(populations):
        plain = replace(
            facts,
            account=None,
            by_other_models=0,
            failed=0,
            over_limit=0,
            calibrated=True,
            comparisons=(),
            drift=(),
            classes=tuple(
                replace(one, name=name) for one, name in zip(facts.classes, names, strict=True)
            ),
        )
        plan = plan_of(plain, "bedside", language)
        assert words_of(plan[:-1]) - 1 <= MOST_WORDS, first(plan)


def test_a_bedside_summary_tells_a_change_before_any_median(populations: list[Facts]) -> None:
    changed = [facts for facts in populations if any(one.changed for one in facts.comparisons)]
    assert len(changed) > 2
    for facts in changed:
        text = first(plan_of(facts, "bedside"))
        assert "Compared with " in text
        assert "edian estimates" not in text


def test_what_there_is_not_is_refused(populations: list[Facts]) -> None:
    with pytest.raises(BadConfig, match="style: 'long', allowed bedside, lab, line"):
        plan_of(populations[0], "long")  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(BadConfig, match="language: 'xx', allowed en, de"):
        plan_of(populations[0], "lab", "xx")


def _value(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"
