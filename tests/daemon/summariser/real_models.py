"""The real language model of the tests: where it is, or a loud skip that says how to get it."""

import os
from pathlib import Path

import pytest

from phenostream.daemon.summariser.llm.bindings import installed_bindings

VARIABLE = "PHENOSTREAM_LLM"


def real_model() -> Path:
    """The GGUF file that the environment names; skips the test where it names none."""
    path = Path(os.environ.get(VARIABLE, ""))
    if not path.is_file():
        pytest.skip(f"{VARIABLE} names no GGUF file: phenostream fetch-llm smollm2, then set it")
    return path


def need(binding: str) -> str:
    """The binding, if it is installed; skips the test where it is not."""
    if binding not in installed_bindings():
        pytest.skip(f"{binding} is not installed: pip install 'phenostream[llm,llm-prebuilt]'")
    return binding
