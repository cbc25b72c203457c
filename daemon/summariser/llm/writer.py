"""What a binding must be able to do: go on with an answer that has begun, piece by piece, until it is told to stop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from phenostream.daemon.summariser.llm.protocol import Messages, ModelFacts

DRAWN_TEMPERATURE: Final = 0.4
"""Of a text that is drawn: enough for another wording, not for another story."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What to write next.

    Attributes:
        messages: The chat.
        begun: The answer so far, which is gone on with.
        grammar: GBNF of what follows; None: free.
        most_tokens: At most so many.
        seed: 0: the likeliest text; else drawn with this seed, at `DRAWN_TEMPERATURE`.
    """

    messages: Messages
    begun: str
    grammar: str | None
    most_tokens: int
    seed: int = 0


class Writer(Protocol):
    """One loaded model of one library.

    Attributes:
        facts: Who it is.
    """

    facts: ModelFacts

    def write(self, passage: Passage, on_piece: Callable[[str], bool]) -> None:
        """Write a passage.

        What was read for the last passage and is read again costs nothing: the library keeps it.

        Args:
            passage: What to write.
            on_piece: Told each token's text as it is there, which may be empty; True: that is enough. Also called with
                an empty text between pieces of a long prompt, where the library allows it.

        Raises:
            BadInput: The chat does not fit in the context, or the grammar is refused.
            EngineFault: The library failed.
        """
        ...

    def close(self) -> None:
        """Release its memory; calling it twice is harmless."""
        ...
