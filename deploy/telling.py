"""Facts put into words here and now: by a language model that is started for it and ended, else by the template.

The text is held against the facts in this process, which runs no language model.
"""

from dataclasses import dataclass
from typing import Final

from phenostream.daemon.summariser.author import Author, Mode, Worded
from phenostream.daemon.summariser.link import LONGEST_START_S, Link, WorkerSetup
from phenostream.deploy.narrator import Narrator
from phenostream.engine.errors import EngineFault
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.template import write_summary
from phenostream.engine.summary.wording import Style

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


def worded(facts: Facts, manner: Manner, words: Narrator) -> Worded:
    """Word facts; whatever a language model does, there is a text.

    Args:
        facts: Of a window or run.
        manner: How.
        words: By whom.

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
        return author.write(facts, manner.style, manner.language, manner.mode, PATIENCE_S)
