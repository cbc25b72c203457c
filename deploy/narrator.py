"""Which language model words summaries here: the one that is asked for, else the demo's if it is there, else none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.daemon.summariser.llm.bindings import PACKAGES, chosen_binding
from phenostream.daemon.summariser.llm.fitness import refuse_unfit
from phenostream.daemon.summariser.llm.gguf import read_header
from phenostream.daemon.summary_config import SummaryConfig
from phenostream.deploy.language_models.catalogue import SMOLLM2
from phenostream.deploy.language_models.shelf import model_path
from phenostream.engine.errors import BadLanguageModel, MissingPackage

NONE: Final = "none"
"""Asked for: the template alone."""


@dataclass(frozen=True, slots=True)
class Narrator:
    """A language model that can be run, or what is lacking.

    Attributes:
        model: Its file; None: the template words everything.
        lacks: One line: what is not here, and how to get it; empty where nothing is, or nobody asked.
    """

    model: Path | None = None
    lacks: str = ""


def narrator(llm: str | None) -> Narrator:
    """Look on this box; nothing is loaded.

    Args:
        llm: A name that `fetch-llm` gave, the path of a file, `NONE`, or None: whatever is here.

    Raises:
        BadLanguageModel: The one that is asked for is not here.
        MissingPackage: It is, and nothing that could run it.
    """
    if llm == NONE:
        return Narrator()
    try:
        model = model_path(SMOLLM2.name if llm is None else llm)
        chosen_binding(model)
    except (BadLanguageModel, MissingPackage) as err:
        if llm is not None:
            raise
        return Narrator(None, str(err))
    return Narrator(model)


def who_words(summary: SummaryConfig) -> str:
    """Who words summaries, in a line; a language model that is not there costs its words, not the start."""
    if not summary.is_worded:
        return "none: the template words summaries"
    try:
        model = narrator(summary.llm).model
    except (BadLanguageModel, MissingPackage) as err:
        return f"MISSING, the template words summaries: {err}"
    starter = "started by `run`" if summary.start else "not started by `run`"
    told = f"{model}, mode {summary.mode}, {starter}"
    if model is None or chosen_binding(model) not in PACKAGES:
        return told
    try:
        refuse_unfit(read_header(model), summary.mode)
    except BadLanguageModel as err:
        return f"{told}; UNFIT: {err}"
    return told
