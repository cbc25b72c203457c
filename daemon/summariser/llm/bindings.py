"""The one visible table of bindings, and how one is chosen.

A row's module is imported when the row is chosen, never before.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from phenostream.daemon.summariser.llm.guided import GuidedModel
from phenostream.daemon.summariser.llm.protocol import LanguageModel, Opening
from phenostream.engine.errors import BadConfig, MissingPackage

_EXTRAS: Final = "pip install 'phenostream[llm]' (compiles) or 'phenostream[llm-prebuilt]'"
_FAKES: Final = ".fake.json"


def _llama_cpp_python(opening: Opening) -> LanguageModel:
    from phenostream.daemon.summariser.llm.llama_cpp_python import LlamaCppPythonWriter

    return GuidedModel(LlamaCppPythonWriter(opening))


def _xllamacpp(opening: Opening) -> LanguageModel:
    from phenostream.daemon.summariser.llm.xllamacpp import XllamacppWriter

    return GuidedModel(XllamacppWriter(opening))


def _fake(opening: Opening) -> LanguageModel:
    from phenostream.daemon.summariser.llm.fake import FakeModel

    return FakeModel(opening)


BINDINGS: Final[dict[str, Callable[[Opening], LanguageModel]]] = {
    "llama-cpp-python": _llama_cpp_python,
    "xllamacpp": _xllamacpp,
    "fake": _fake,
}
PACKAGES: Final = {"llama-cpp-python": "llama_cpp", "xllamacpp": "xllamacpp"}
"""What must be importable for a row, the first choice first; `auto` takes the first that is."""


def installed_bindings() -> tuple[str, ...]:
    """Rows that can run a GGUF file here, the first choice first; imports none of them."""
    return tuple(row for row, package in PACKAGES.items() if find_spec(package) is not None)


def open_language_model(opening: Opening, binding: str = "auto") -> LanguageModel:
    """Load a model.

    Args:
        opening: Which, and how.
        binding: A row of `BINDINGS`, or ``auto``: the first that is installed, and `fake` for its own files.

    Raises:
        BadConfig: Unknown row.
        BadInput: The file is refused.
        MissingPackage: The row, or every row, needs a package that is not installed.
        EngineFault: The library could not load the model.
    """
    if binding == "auto":
        binding = chosen_binding(opening.path)
    if binding not in BINDINGS:
        allowed = ", ".join(("auto", *BINDINGS))
        raise BadConfig(f"binding: {binding!r} is not known, allowed {allowed}")
    if binding in PACKAGES and binding not in installed_bindings():
        raise MissingPackage(f"{binding} is not installed: {_EXTRAS}")
    return BINDINGS[binding](opening)


def chosen_binding(path: Path) -> str:
    """The row that runs a file: the first that is installed, and `fake` for its own files.

    Raises:
        MissingPackage: None is installed; the text names the extras that bring one.
    """
    if path.name.endswith(_FAKES):
        return "fake"
    rows = installed_bindings()
    if not rows:
        raise MissingPackage(f"no binding of llama.cpp is installed: {_EXTRAS}")
    return rows[0]
