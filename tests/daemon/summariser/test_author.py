"""What a language model does to its words is never a summary's loss: free, then grammar, then template, in time."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from phenostream.daemon.summariser.author import Author, Mode
from phenostream.daemon.summariser.llm.choices import choices_of
from phenostream.daemon.summariser.llm.protocol import Completion, Ended, Messages, ModelFacts
from phenostream.engine.errors import BadConfig, EngineFault
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import choices, first, says, split_tail
from phenostream.engine.summary.verify import faults
from phenostream.engine.summary.wording import STYLES, Style, plan_of
from tests.engine.summary.populations import population

LARGE = ModelFacts("large", "ab" * 32, 1_600_000_000, "apache-2.0", True, "fake")
SMALL = replace(LARGE, name="small", parameters=135_000_000)


class Script:
    """A language model that says what it is told; without a text it takes the last alternative of each choice."""

    def __init__(
        self,
        *texts: str | None,
        facts: ModelFacts = LARGE,
        ended: Ended = "stop",
        fault: str | None = None,
    ) -> None:
        self.asked: list[tuple[str | None, int]] = []
        self._texts, self._facts, self._ended, self._fault = list(texts), facts, ended, fault

    def open(self, within_s: float) -> ModelFacts:
        return self._facts

    def complete(
        self,
        messages: Messages,
        *,
        grammar: str | None,
        max_tokens: int,
        deadline_s: float,
        seed: int = 0,
    ) -> Completion:
        self.asked.append((grammar, seed))
        if self._fault is not None:
            raise EngineFault(self._fault)
        text = self._texts.pop(0) if self._texts else None
        if text is None:
            text = "".join(texts[-1] for texts in choices_of(grammar or "") or ())
        return Completion(text, 9, 0.1, self._ended)


def usual() -> Facts:
    """Facts that leave a choice in every style, and whose template is true as free text."""
    return next(
        facts
        for facts in map(population, range(100))
        if facts.classified > 20
        and all(choices(plan_of(facts, style)) > 8 for style in STYLES)
        and not faults(first(plan_of(facts, "bedside")), facts)
    )


def true_text(facts: Facts) -> str:
    return first(plan_of(facts, "bedside"))


@pytest.mark.parametrize("style", STYLES)
def test_the_grammar_is_asked_for_the_part_that_leaves_a_choice(style: Style) -> None:
    facts, script = usual(), Script()
    plan = plan_of(facts, style)
    worded = Author(script).write(facts, style, "en", "grammar", 20.0)
    assert says(plan, worded.text)
    assert worded.text != first(plan)
    assert worded.text.endswith(split_tail(plan)[1])
    assert (worded.source, worded.llm, worded.tries, worded.refused) == (
        "llm-grammar",
        LARGE,
        1,
        (),
    )


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (Script("Everything is fine."), "do not allow"),
        (Script(ended="deadline"), r"not whole after 0.1 s \(deadline\)"),
        (Script(ended="length"), "no end after 9 tokens"),
        (Script(fault="it hung"), "it hung"),
    ],
)
def test_what_is_no_text_of_the_grammar_gives_the_template(script: Script, said: str) -> None:
    facts = usual()
    worded = Author(script).write(facts, "bedside", "en", "grammar", 20.0)
    assert (worded.source, worded.llm, worded.tries) == ("template", None, 1)
    assert worded.text == first(plan_of(facts, "bedside"))
    (refused,) = worded.refused
    assert re.search(said, refused)


@pytest.mark.parametrize(
    ("speaker", "mode"), [(None, "grammar"), (None, "free"), (Script(), "template")]
)
def test_without_a_model_or_a_mode_for_it_the_template_speaks(
    speaker: Script | None, mode: Mode
) -> None:
    worded = Author(speaker).write(usual(), "line", "en", mode, 20.0)
    assert (worded.source, worded.tries, worded.text) == (
        "template",
        0,
        first(plan_of(usual(), "line")),
    )


def test_free_text_that_the_facts_support_is_taken() -> None:
    facts = usual()
    script = Script(true_text(facts))
    worded = Author(script).write(facts, "bedside", "en", "free", 20.0)
    assert (worded.source, worded.llm, worded.text) == ("llm-free", LARGE, true_text(facts))


def test_the_caveat_is_not_the_models_to_leave_out() -> None:
    facts = usual()
    text = true_text(facts)
    script = Script(f" {text.replace(' Research use only, not a diagnosis.', '')}\n")
    worded = Author(script).write(facts, "bedside", "en", "free", 20.0)
    assert (worded.source, faults(worded.text, facts)) == ("llm-free", [])
    assert worded.text.endswith("Research use only, not a diagnosis.")


def test_free_text_is_tried_a_few_times_then_the_grammar_leads() -> None:
    facts = usual()
    lies: Sequence[str] = ("Mostly neutrophils.", "The patient has leukaemia.", "4,000 cells.")
    script = Script(*lies)
    worded = Author(script).write(facts, "bedside", "en", "free", 20.0)
    assert worded.source == "llm-grammar"
    assert [seed for grammar, seed in script.asked if grammar is None] == [0, 1, 2]
    assert (worded.tries, len(worded.refused)) == (4, 3)


def test_a_model_that_repeats_itself_is_asked_again() -> None:
    script = Script("10 lymphocytes, " * 99, ended="length")
    worded = Author(script).write(usual(), "bedside", "en", "free", 20.0)
    assert (worded.source, worded.tries) == ("template", 4)
    assert worded.refused[:3] == ("free text: no end after 9 tokens",) * 3


def test_a_small_model_is_not_asked_for_free_text() -> None:
    script = Script(facts=SMALL)
    worded = Author(script).write(usual(), "bedside", "en", "free", 20.0)
    assert worded.source == "llm-grammar"
    assert [grammar is None for grammar, _ in script.asked] == [False]
    assert "135,000,000 parameters, allowed 1,500,000,000 or more" in worded.refused[0]


def test_free_text_leaves_time_for_the_grammar() -> None:
    class Slow(Script):
        now_s = 0.0

        def complete(self, messages: Messages, **asked: Any) -> Completion:
            deadline_s = asked["deadline_s"]
            assert isinstance(deadline_s, float)
            if asked["grammar"] is None:
                self.now_s += deadline_s
                raise EngineFault("too slow")
            self.left_s = deadline_s
            return super().complete(messages, **asked)

    script = Slow()
    worded = Author(script, clock=lambda: script.now_s).write(
        usual(), "bedside", "en", "free", 20.0
    )
    assert (worded.source, worded.tries) == ("llm-grammar", 2)
    assert script.left_s == pytest.approx(8.0)


def test_an_unknown_style_is_the_callers_mistake() -> None:
    with pytest.raises(BadConfig):
        Author(None).write(usual(), "poem", "en", "grammar", 20.0)  # type: ignore[arg-type]
