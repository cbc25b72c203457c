"""The real language model of the tests: where it is, or a loud skip that says how to get it."""

import os
from pathlib import Path

import pytest

from phenostream.daemon.summariser.llm.bindings import installed_bindings
from phenostream.deploy.language_models.catalogue import SMOLLM2
from phenostream.deploy.language_models.shelf import model_path
from phenostream.engine.errors import BadLanguageModel

VARIABLE = "PHENOSTREAM_LLM"
_EXTRAS = "pip install 'phenostream[llm]' (compiles) or 'phenostream[llm-prebuilt]'"


def real_model() -> Path:
    """A GGUF file: the environment's, else the fetched one; skips the test where it or what runs it is not here."""
    if not installed_bindings():
        pytest.skip(f"no llama.cpp is installed: {_EXTRAS}")
    try:
        return model_path(os.environ.get(VARIABLE) or SMOLLM2.name)
    except BadLanguageModel as err:
        pytest.skip(f"{err}; or name a GGUF file in {VARIABLE}")


def need(binding: str) -> str:
    """The binding, if it is installed; skips the test where it is not."""
    if binding not in installed_bindings():
        pytest.skip(f"{binding} is not installed: {_EXTRAS}")
    return binding
