"""A language model that is asked only where there is something to choose.

Most of a summary's grammar is fixed text. To have a model write that token by token would cost as much as its choices.
So fixed text is put into the answer as if the model had written it, which it reads many tokens at a time, and it
writes on from there only until it is plain which alternative it takes. What comes out is a text of the grammar by
construction.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from phenostream.daemon.summariser.llm.choices import Choices, choices_of
from phenostream.daemon.summariser.llm.protocol import Completion, Ended, Messages
from phenostream.daemon.summariser.llm.writer import Passage, Writer
from phenostream.engine.summary.plan import Slot, gbnf

_AHEAD: Final = 12
"""Characters of what follows that the model may see of a choice that says nothing, or only part of another one."""
_MOST_AHEAD: Final = 12
_HARMLESS: Final = str.maketrans({"<": "‹", ">": "›"})
"""No name of a stranger may be read as a control token, such as ``<|im_end|>``."""


class GuidedModel:
    """See `LanguageModel`; owns its writer."""

    def __init__(self, writer: Writer, clock: Callable[[], float] = time.monotonic) -> None:
        """Take over a writer.

        Args:
            writer: One binding's model.
            clock: Seconds.
        """
        self.facts = writer.facts
        self._writer, self._clock = writer, clock

    def complete(
        self,
        messages: Messages,
        *,
        grammar: str | None,
        max_tokens: int,
        deadline_s: float,
        seed: int = 0,
    ) -> Completion:
        """See `LanguageModel.complete`; tokens are those that the model wrote, not the fixed text."""
        began_s = self._clock()
        sheet = _Sheet(self._clock, began_s + deadline_s, max_tokens)
        question = [_harmless(message) for message in messages]
        choices = None if grammar is None else choices_of(grammar)
        if choices is None:
            passage = Passage(question, "", grammar, max_tokens, seed)
            self._writer.write(passage, sheet.take)
            text = sheet.passage
        else:
            text = self._walked(question, choices, sheet, seed)
        return Completion(text, sheet.tokens, self._clock() - began_s, sheet.ended)

    def close(self) -> None:
        """Close the writer."""
        self._writer.close()

    def _walked(self, question: Messages, choices: Choices, sheet: "_Sheet", seed: int) -> str:
        """One alternative of each place, as far as the deadline lets it."""
        text = ""
        for place, texts in enumerate(choices):
            if len(texts) == 1:
                text += texts[0]
                continue
            if sheet.take(""):
                return text
            begun = text.rstrip(" ")
            between = text[len(begun) :]  # a word's first token has the space before it
            choice = _Choice(between, texts, choices[place + 1 :])
            left = sheet.most_tokens - sheet.tokens
            passage = Passage(question, begun.translate(_HARMLESS), choice.grammar, left, seed)
            sheet.turn(choice.is_plain)
            self._writer.write(passage, sheet.take)
            if sheet.ended != "stop":
                return text
            text += choice.taken(sheet.passage)
        return text


class _Sheet:
    """Takes pieces as they come, and says when it is enough."""

    def __init__(self, clock: Callable[[], float], due_s: float, most_tokens: int) -> None:
        self.passage = ""
        self.tokens = 0
        self.most_tokens = most_tokens
        self.ended: Ended = "stop"
        self._clock, self._due_s = clock, due_s
        self._enough: Callable[[str], bool] = lambda _passage: False

    def turn(self, enough: Callable[[str], bool]) -> None:
        """Begin another passage, which may end early."""
        self.passage, self._enough = "", enough

    def take(self, piece: str) -> bool:
        """Add a piece; whether that is enough."""
        if piece:
            self.passage += piece
            self.tokens += 1
        if piece and self._enough(self.passage):
            return True
        if self._clock() >= self._due_s:
            self.ended = "deadline"
        elif self.tokens >= self.most_tokens:
            self.ended = "length"
        return self.ended != "stop"


class _Choice:
    """One place of several texts."""

    def __init__(self, between: str, texts: Sequence[str], rest: Choices) -> None:
        self._options = {text: f"{between}{text}" for text in texts}
        one_begins_another = any(
            other.startswith(text) for text in texts for other in texts if other != text
        )
        self._ahead = _ahead(rest) if one_begins_another else ("",)

    @property
    def grammar(self) -> str:
        """Of the choice, and of the beginning of what follows where that tells two texts apart."""
        return gbnf((Slot(tuple(self._options.values())), Slot(self._ahead)))

    def is_plain(self, passage: str) -> bool:
        """Whether one text only can have been meant."""
        return len(self._possible(passage)) <= 1

    def taken(self, passage: str) -> str:
        """The text that was meant; of several that may have been, the first."""
        whole = (
            text
            for text, option in self._options.items()
            if passage in (f"{option}{ahead}" for ahead in self._ahead)
        )
        return next(whole, next(iter(self._possible(passage) or self._options)))

    def _possible(self, passage: str) -> list[str]:
        return [
            text
            for text, option in self._options.items()
            if any(
                (whole := f"{option}{ahead}").startswith(passage) or passage.startswith(whole)
                for ahead in self._ahead
            )
        ]


def _ahead(rest: Choices) -> tuple[str, ...]:
    """What may follow a choice, the first characters of it; nothing where that is too much."""
    found = [""]
    for texts in rest:
        longer = dict.fromkeys(f"{text}{end}"[:_AHEAD] for text in found for end in texts)
        if len(longer) > _MOST_AHEAD:
            break
        found = list(longer)
        if all(len(text) == _AHEAD for text in found):
            break
    return tuple(found)


def _harmless(message: Mapping[str, str]) -> dict[str, str]:
    return {key: value.translate(_HARMLESS) for key, value in message.items()}
