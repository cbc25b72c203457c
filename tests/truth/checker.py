"""Is a summary true? An answer from its text and its facts alone, by a reader that knows nothing of how it was made.

The text is read phrase by phrase, the longest that fits first. Each phrase claims something, and the claim is looked up
in the facts. Between phrases only words may stand that claim nothing; whatever else is there could not be read, and is
a fault like a falsehood: a number, a name, a comparison or a verb that nobody understood is not known to be true.
Then comes what may not be left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from phenostream.engine.summary.facts import Facts
from tests.truth.context import Context
from tests.truth.omissions import omissions
from tests.truth.phrases import READERS, Reader
from tests.truth.tokens import row_of


@dataclass(frozen=True, slots=True)
class Falsehood:
    """Something in a text that is not so, that could not be read, or that is missing.

    Attributes:
        kind: ``false``, ``unread`` or ``unsaid``.
        words: Of the text, as it was read; of what is missing, what it is.
    """

    kind: str
    words: str


def falsehoods(text: str, facts: Facts, language: str = "en") -> list[Falsehood]:
    """What is wrong with a text; empty: every claim in it is true of the facts, and nothing is left out."""
    reader = READERS[language]
    row = row_of(text, facts, reader.tongue)
    context = Context(facts, row)
    found: list[Falsehood] = []
    for sentence in row.sentences:
        context.begin_sentence()
        found += _read(sentence, context, reader)
        found += [Falsehood("unread", words) for words in context.left_open()]
    found += [Falsehood("unsaid", what) for what in omissions(context)]
    return found


def _read(sentence: str, context: Context, reader: Reader) -> Iterator[Falsehood]:
    position = 0
    while position < len(sentence):
        match, phrase = context.longest(reader.phrases, sentence, position)
        if match is not None and phrase is not None:
            context.said.add(phrase.name)
            if not phrase.is_true(context, match):
                yield Falsehood("false", f"{phrase.name}: {context.shown(match[0])}")
            position = match.end()
        else:
            word = re.compile(r"\S+").search(sentence, position)
            if word is None:
                return
            if word[0] not in reader.empty:
                yield Falsehood("unread", context.shown(word[0]))
            position = word.end()
        while position < len(sentence) and sentence[position] == " ":
            position += 1
