"""Whether a model is fit to word a summary: a chat model, and in free mode not a small one.

A base model goes on with any text and follows no instruction. Free text of small models was measured to be false
(wrong counts, invented markers), so that below `LEAST_FREE_PARAMETERS` only the grammar may lead a model.
"""

from typing import Final

from phenostream.daemon.summariser.llm.gguf import GgufHeader
from phenostream.engine.errors import BadLanguageModel

LEAST_FREE_PARAMETERS: Final = 1_500_000_000
"""Least size of a model that may write freely, behind the verifier."""


def may_write_freely(parameters: int) -> bool:
    """Whether free mode is open to a model of that size."""
    return parameters >= LEAST_FREE_PARAMETERS


def refuse_unfit(header: GgufHeader, mode: str = "grammar") -> None:
    """Check a model against how it shall be used.

    Args:
        header: Of its file.
        mode: Of the configuration: ``grammar``, ``free`` or ``template``.

    Raises:
        BadLanguageModel: It cannot be used so; the text does not name the file.
    """
    if not header.chat_template.strip():
        raise BadLanguageModel(
            "no chat template: a base model, which follows no instruction; allowed an instruct or chat model"
        )
    if mode == "free" and not may_write_freely(header.parameters):
        raise BadLanguageModel(
            f"free mode: {header.parameters:,} parameters, allowed {LEAST_FREE_PARAMETERS:,} or more"
        )
