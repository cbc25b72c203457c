"""Words the facts of a window: with a language model if there is one that does, else with the template, always in time.

Free text is held against the facts, text of the grammar against the plan that made it; what does not pass is not given
away. Who publishes a text checks it again: this is another process.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from phenostream.daemon.summariser.llm.fitness import LEAST_FREE_PARAMETERS, may_write_freely
from phenostream.daemon.summariser.llm.protocol import Completion, Messages, ModelFacts
from phenostream.engine.errors import BadLanguageModel, EngineFault, PhenostreamError
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import Plan, first, gbnf, says, split_tail
from phenostream.engine.summary.prompt import FREE_LANGUAGE, messages
from phenostream.engine.summary.verify import faults
from phenostream.engine.summary.wording import LANGUAGES, Style, plan_of

Mode = Literal["grammar", "free", "template"]
Source = Literal["llm-grammar", "llm-free", "template"]

FREE_TRIES: Final = 3
_FREE_PART: Final = 0.6
"""Of the deadline, for free text; the rest is for the grammar."""
_MOST_TOKENS: Final = 512
"""Of one text; a model that repeats itself for ever ends there."""


class Speaker(Protocol):
    """A language model behind a deadline; `Link` is one."""

    def open(self, within_s: float) -> ModelFacts:
        """Who it is, once it can be asked.

        Raises:
            EngineFault: It cannot be within that time.
        """
        ...

    def complete(
        self,
        messages: Messages,
        *,
        grammar: str | None,
        max_tokens: int,
        deadline_s: float,
        seed: int = 0,
    ) -> Completion:
        """See `Link.complete`."""
        ...


@dataclass(frozen=True, slots=True)
class Worded:
    """A summary, and who wrote it.

    Attributes:
        text: On one line.
        source: Who chose the words.
        llm: The language model that did; None: the template.
        seconds: It took.
        tries: Texts that a language model was asked for.
        refused: Why a try gave no text, one line each.
    """

    text: str
    source: Source
    llm: ModelFacts | None
    seconds: float
    tries: int
    refused: tuple[str, ...]


class Author:
    """See above."""

    def __init__(
        self,
        speaker: Speaker | None,
        *,
        free_tries: int = FREE_TRIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start nothing.

        Args:
            speaker: Who is asked; None: template only. Its owner closes it.
            free_tries: Free texts that may be refused before the grammar leads.
            clock: Seconds.
        """
        self._speaker, self._free_tries, self._clock = speaker, free_tries, clock

    def write(
        self, facts: Facts, style: Style, language: str, mode: Mode, deadline_s: float
    ) -> Worded:
        """Word facts: free if that is the mode, else or then by the grammar, else or then by the template.

        Args:
            facts: Of a window or run.
            style: Which of the styles.
            language: Its code.
            mode: What to begin with; free text in another language than English is not tried.
            deadline_s: From now; the template is there soon after at the latest.

        Raises:
            BadConfig: No such style or language.
        """
        plan = plan_of(facts, style, language)
        if self._speaker is None or mode == "template":
            return Worded(first(plan), "template", None, 0.0, 0, ())
        attempt = _Attempt(self._speaker, self._clock, deadline_s)
        text: str | None = None
        if mode == "free" and language == FREE_LANGUAGE:
            text = attempt.freely(facts, style, self._free_tries)
        if text is not None:
            return attempt.worded(text, "llm-free")
        text = attempt.by_grammar(plan, messages(facts, style, language, "grammar"))
        if text is not None:
            return attempt.worded(text, "llm-grammar")
        return attempt.worded(first(plan), "template")


class _TooLong(EngineFault):
    """A text without an end: a model that repeats itself; another try may do better."""


class _Attempt:
    """One summary on its way to its words; no method raises for what a language model does."""

    def __init__(self, speaker: Speaker, clock: Callable[[], float], deadline_s: float) -> None:
        self._speaker, self._clock = speaker, clock
        self._began_s, self._deadline_s = clock(), deadline_s
        self._llm: ModelFacts | None = None
        self._tries = 0
        self._refused: list[str] = []

    def freely(self, facts: Facts, style: Style, tries: int) -> str | None:
        """Free text that says nothing but the facts; None where none of a few tries does."""
        due_s = self._began_s + _FREE_PART * self._deadline_s
        question = messages(facts, style, FREE_LANGUAGE, "free")
        for seed in range(tries):
            try:
                said = self._asked(question, None, due_s, seed)
            except _TooLong as err:
                self._refused.append(str(err))
                continue
            except PhenostreamError as err:
                self._refused.append(str(err))
                return None
            text = with_caveat(said, facts)
            found = faults(text, facts)
            if not found:
                return text
            self._refused.append(f"free text {seed + 1}: {found[0]}")
        return None

    def by_grammar(self, plan: Plan, question: Messages) -> str | None:
        """Text of the plan; None where the language model gives none in time, or has nothing to choose."""
        head, tail = split_tail(plan)
        if not head:
            return None
        try:
            text = f"{self._asked(question, gbnf(head), self._began_s + self._deadline_s, 0)}{tail}"
        except PhenostreamError as err:
            self._refused.append(str(err))
            return None
        if not says(plan, text):
            self._refused.append("grammar: a text that the facts do not allow")
            return None
        return text

    def worded(self, text: str, source: Source) -> Worded:
        """What came out of it."""
        llm = None if source == "template" else self._llm
        seconds = self._clock() - self._began_s
        return Worded(text, source, llm, seconds, self._tries, tuple(self._refused))

    def _asked(self, question: Messages, grammar: str | None, due_s: float, seed: int) -> str:
        """What the language model writes.

        Raises:
            PhenostreamError: No whole text in time, or it is too small for free text.
        """
        what = "free text" if grammar is None else "grammar"
        self._llm = self._speaker.open(max(0.0, due_s - self._clock()))
        if grammar is None and not may_write_freely(self._llm.parameters):
            has = f"{self._llm.name} has {self._llm.parameters:,} parameters"
            raise BadLanguageModel(f"{what}: {has}, allowed {LEAST_FREE_PARAMETERS:,} or more")
        self._tries += 1
        done = self._speaker.complete(
            question,
            grammar=grammar,
            max_tokens=_MOST_TOKENS,
            deadline_s=max(0.0, due_s - self._clock()),
            seed=seed,
        )
        if done.ended == "length":
            raise _TooLong(f"{what}: no end after {done.tokens} tokens")
        if done.ended != "stop":
            raise EngineFault(f"{what}: not whole after {done.seconds:.1f} s ({done.ended})")
        return done.text


def with_caveat(text: str, facts: Facts) -> str:
    """On one line, and with the words that every summary ends with, which are ours and not the model's to leave out."""
    said = " ".join(text.split())
    caveat = first(LANGUAGES[FREE_LANGUAGE].cells.caveat(facts)).strip()
    return said if said.endswith(caveat) else f"{said} {caveat}"
