"""Who a language model is: what its file says, and the file's hash."""

import hashlib
from pathlib import Path

from phenostream.daemon.summariser.llm.fitness import refuse_unfit
from phenostream.daemon.summariser.llm.gguf import read_header
from phenostream.daemon.summariser.llm.protocol import ModelFacts
from phenostream.engine.errors import BadLanguageModel


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
    name = header.name or path.stem
    return ModelFacts(name, sha256, header.parameters, header.licence, True, binding)
