"""Many populations, the texts that may be said of them, and what the checker finds in them and in their lies."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import Plan, first
from phenostream.engine.summary.wording import STYLES, plan_of
from tests.engine.summary.populations import population
from tests.truth.checker import Falsehood, falsehoods
from tests.truth.lies import Lie, lies

Judge = Callable[[str, Facts], bool]
"""Whether it finds something wrong with a text."""
_SHOWN = 20
"""Of what was found wrong, how much is kept to be shown."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A text in which something is not so."""

    seed: int
    style: str
    text: str
    found: tuple[Falsehood, ...]


@dataclass(slots=True)
class PlanSurvey:
    """Texts that plans can say.

    Attributes:
        populations: Different ones.
        texts: That were judged: the template's, each alternative of each choice at least once, and random ones.
        wrong: With something that is not so; the first of them are kept.
    """

    populations: int = 0
    texts: int = 0
    wrong: int = 0
    shown: list[Wrong] = field(default_factory=list)


@dataclass(slots=True)
class LieSurvey:
    """Lies planted in texts that were found true.

    Attributes:
        true: Texts to plant them in.
        refused: Of these.
        planted: By kind.
        caught: Likewise.
        missed: The first that were not.
    """

    true: int = 0
    refused: int = 0
    planted: Counter[str] = field(default_factory=Counter)
    caught: Counter[str] = field(default_factory=Counter)
    missed: list[tuple[str, str, str]] = field(default_factory=list)

    def count(self, lie: Lie, true: str, *, caught: bool) -> None:
        """One lie that was planted in a true text."""
        self.planted[lie.kind] += 1
        self.caught[lie.kind] += caught
        if not caught and len(self.missed) < _SHOWN:
            self.missed.append((lie.kind, true, lie.text))


def survey_plans(seeds: range, walks: int, language: str = "en") -> PlanSurvey:
    """Judge what may be said of these populations.

    Args:
        seeds: Of the populations.
        walks: Random texts of each style, beside those that say every alternative once.
        language: Of the texts.
    """
    survey = PlanSurvey(populations=len(seeds))
    for seed in seeds:
        facts, rng = population(seed), random.Random(seed)  # noqa: S311 - a draw that can be repeated
        for style in STYLES:
            for text in texts_of(plan_of(facts, style, language), rng, walks):
                survey.texts += 1
                found = tuple(falsehoods(text, facts, language))
                if found:
                    survey.wrong += 1
                    if len(survey.shown) < _SHOWN:
                        survey.shown.append(Wrong(seed, style, text, found))
    return survey


def survey_lies(seeds: range, language: str = "en", judge: Judge | None = None) -> LieSurvey:
    """Plant one lie of each kind in a random text of each style, and see which are caught.

    Args:
        seeds: Of the populations.
        language: Of the texts.
        judge: Who is to catch them; None: the reader. A text that it refuses before is not used, and is counted.
    """
    judge = judge or (lambda text, facts: bool(falsehoods(text, facts, language)))
    survey = LieSurvey()
    for seed in seeds:
        facts, rng = population(seed), random.Random(seed)  # noqa: S311 - a draw that can be repeated
        for style in STYLES:
            text = _walk(plan_of(facts, style, language), rng)
            survey.true += 1
            if judge(text, facts):
                survey.refused += 1
                continue
            for lie in lies(text, facts, rng):
                survey.count(lie, text, caught=judge(lie.text, facts))
    return survey


def texts_of(plan: Plan, rng: random.Random, walks: int) -> Iterator[str]:
    """The template's text, texts that say each alternative at least once, and random ones."""
    yield first(plan)
    for place in range(1, max(len(slot.alternatives) for slot in plan)):
        yield "".join(slot.alternatives[place % len(slot.alternatives)] for slot in plan)
    for _ in range(walks):
        yield _walk(plan, rng)


def _walk(plan: Plan, rng: random.Random) -> str:
    return "".join(rng.choice(slot.alternatives) for slot in plan)
