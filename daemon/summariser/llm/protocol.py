"""What every language model is: opened once from a GGUF file, then messages in and text out.

It knows one library and one file. It knows nothing of facts: what it writes is a claim that others check.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

Messages = Sequence[Mapping[str, str]]
"""A chat: each with ``role`` (``system``, ``user`` or ``assistant``) and ``content``."""
Ended = Literal["stop", "length", "deadline"]
"""Why a text ends: the model or the grammar was done, `max_tokens` was reached, or time was up."""
ENDED: Final[tuple[Ended, ...]] = ("stop", "length", "deadline")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Who a language model is, as its file says.

    Attributes:
        name: For a person.
        sha256: Of the file, hexadecimal.
        parameters: How many; 0: not known.
        licence: As the file names it; empty: not told.
        has_chat_template: Without one it is a base model, which cannot be asked.
        binding: Row of the visible table that runs it, such as ``llama-cpp-python``.
    """

    name: str
    sha256: str
    parameters: int
    licence: str
    has_chat_template: bool
    binding: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote.

    Attributes:
        text: Without the prompt; cut where it ended for another reason than ``stop``.
        tokens: Of the text.
        seconds: From the question to the end.
        ended: Why there is no more.
    """

    text: str
    tokens: int
    seconds: float
    ended: Ended


@dataclass(frozen=True, slots=True)
class Opening:
    """How to open a language model.

    Attributes:
        path: Its GGUF file.
        threads: It computes with; more than the idle cores is slower, not faster.
        context_tokens: Longest prompt and text together.
    """

    path: Path
    threads: int = 1
    context_tokens: int = 2048


class LanguageModel(Protocol):
    """One loaded model, for one thread at a time.

    Attributes:
        facts: Who it is.
    """

    facts: ModelFacts

    def complete(
        self,
        messages: Messages,
        *,
        grammar: str | None,
        max_tokens: int,
        deadline_s: float,
        seed: int = 0,
    ) -> Completion:
        """Answer a chat with what is likeliest (temperature 0).

        Args:
            messages: The chat.
            grammar: GBNF that the text must follow, with ``root``; None: free.
            max_tokens: Longest text.
            deadline_s: From now; looked at between tokens and between pieces of the prompt, not inside a call of the
                library. A hang there is the caller's to end, with the process.
            seed: 0 for the likeliest text; another one for another text of a free model.

        Raises:
            BadInput: The chat does not fit in the context, or the grammar is refused.
            EngineFault: The library failed.
        """
        ...

    def close(self) -> None:
        """Release its memory; calling it twice is harmless."""
        ...
