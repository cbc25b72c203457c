"""Facts put into words here and now: by a language model that is started for it and ended, else by the template.

The text is held against the facts in this process, which runs no language model.
"""

from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar, get_args

from phenostream.daemon.summariser.author import Author, Mode, Worded
from phenostream.daemon.summariser.link import LONGEST_START_S, Link, WorkerSetup
from phenostream.deploy.narrator import Narrator
from phenostream.engine.errors import BadConfig, EngineFault
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.prompt import FREE_LANGUAGE
from phenostream.engine.summary.template import write_summary
from phenostream.engine.summary.wording import LANGUAGES, STYLES, Style

T = TypeVar("T", bound=str)

PATIENCE_S: Final = 120.0
"""For one text, once the model is loaded; somebody is waiting for it, and for nothing else."""
_MEMORY_BYTES: Final = 6 << 30
"""A model of 1.5 billion parameters takes two."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How facts are to be worded.

    Attributes:
        style: One of `STYLES`.
        language: One of `LANGUAGES`.
        mode: What to try first.
    """

    style: Style
    language: str
    mode: Mode

    @classmethod
    def of(cls, style: str, language: str, mode: str) -> Self:
        """What a person asked for.

        Raises:
            BadConfig: There is no such style, language or mode, or no free text in that language.
        """
        if language not in LANGUAGES:
            raise BadConfig(f"--language {language!r}: allowed {', '.join(LANGUAGES)}")
        if mode == "free" and language != FREE_LANGUAGE:
            raise BadConfig(
                f"--mode free with --language {language!r}: allowed {FREE_LANGUAGE}, what texts are verified in"
            )
        modes: tuple[Mode, ...] = get_args(Mode)
        return cls(_one_of("style", style, STYLES), language, _one_of("mode", mode, modes))


def worded(facts: Facts, manner: Manner, words: Narrator, patience_s: float = PATIENCE_S) -> Worded:
    """Word facts; whatever a language model does, there is a text.

    Args:
        facts: Of a window or run.
        manner: How.
        words: By whom.
        patience_s: For the text, once the model is loaded.

    Raises:
        BadConfig: No such style or language.
    """
    text = write_summary(facts, manner.style, manner.language)
    if words.model is None or manner.mode == "template":
        return Worded(text, "template", None, 0.0, 0, ())
    with Link(WorkerSetup(words.model, memory_bytes=_MEMORY_BYTES, idle=False)) as link:
        try:
            link.open(LONGEST_START_S)
        except EngineFault as err:
            return Worded(text, "template", None, 0.0, 0, (str(err),))
        author = Author(link)
        return author.write(facts, manner.style, manner.language, manner.mode, patience_s)


def as_told(words: Worded) -> dict[str, Any]:
    """Who worded it, in the keys of a summary record."""
    llm = words.llm
    named = llm and {"name": llm.name, "sha256": llm.sha256, "binding": llm.binding}
    return {
        "source": words.source,
        "llm": named,
        "seconds": None if llm is None else round(words.seconds, 3),
    }


def _one_of(option: str, value: str, allowed: tuple[T, ...]) -> T:
    for one in allowed:
        if one == value:
            return one
    raise BadConfig(f"--{option} {value!r}: allowed {', '.join(allowed)}")
