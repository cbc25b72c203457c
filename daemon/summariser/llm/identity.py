"""Who a language model is: what its card says, else its file, and the file's hash."""

import hashlib
from pathlib import Path
from typing import Final

from phenostream.daemon.summariser.llm.card import card_of
from phenostream.daemon.summariser.llm.fitness import refuse_unfit
from phenostream.daemon.summariser.llm.gguf import read_header
from phenostream.daemon.summariser.llm.protocol import ModelFacts
from phenostream.engine.errors import BadLanguageModel

_LONGEST_NAME: Final = 64


def model_facts(path: Path, binding: str) -> ModelFacts:
    """Read the file, all of it.

    Args:
        path: Of a GGUF file.
        binding: Who runs it.

    Raises:
        BadLanguageModel: It is damaged, or has no chat template.
    """
    header = read_header(path)
    refuse_unfit(header)
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise BadLanguageModel(f"{path}: {err.strerror or err}") from err
    card = card_of(path, sha256)
    name, licence = (card.title, card.licence) if card else (header.name, header.licence)
    return ModelFacts(_shown(name or path.stem), sha256, header.parameters, licence, True, binding)


def _shown(name: str) -> str:
    """A stranger's name as it may stand in a record."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:_LONGEST_NAME]
