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
    """The GGUF file that the environment names, else the one that was fetched; skips the test where there is none."""
    try:
        return model_path(os.environ.get(VARIABLE) or SMOLLM2.name)
    except BadLanguageModel as err:
        pytest.skip(f"{err}; or name a GGUF file in {VARIABLE}")


def need(binding: str) -> str:
    """The binding, if it is installed; skips the test where it is not."""
    if binding not in installed_bindings():
        pytest.skip(f"{binding} is not installed: {_EXTRAS}")
    return binding


def need_one() -> None:
    """Skips the test where no binding is installed."""
    if not installed_bindings():
        pytest.skip(f"no llama.cpp is installed: {_EXTRAS}")
