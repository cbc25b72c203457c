"""The library comes by name, is never half there, and what it says is one line."""

import importlib
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from phenostream.engine.backends.tensorrt.library import (
    Messages,
    import_library,
    listening,
    one_line,
)
from phenostream.engine.errors import BadConfig, EngineFault, MissingPackage


def importing(monkeypatch: pytest.MonkeyPatch, outcome: Any) -> None:
    """Have every import of a library end in this: an exception, or a module of this version."""

    def load(name: str) -> Any:
        if isinstance(outcome, BaseException):
            raise outcome
        return SimpleNamespace(__version__=outcome)

    monkeypatch.setattr(importlib, "import_module", load)


def test_rtx_is_imported_without_a_device() -> None:
    library = import_library("tensorrt_rtx")
    assert library.is_rtx
    assert str(library) == f"tensorrt_rtx {sys.modules['tensorrt_rtx'].__version__}"


@pytest.mark.parametrize(
    ("name", "outcome", "says"),
    [
        (
            "tensorrt",
            ModuleNotFoundError(name="tensorrt"),
            r"^tensorrt is not installed: .*\[gpu\]",
        ),
        ("tensorrt_rtx", ModuleNotFoundError(name="tensorrt_rtx"), r"is not installed: .*\[rtx\]"),
        (
            "tensorrt",
            ModuleNotFoundError("no numpy", name="numpy"),
            r"cannot be imported \(no numpy",
        ),
        (
            "tensorrt",
            ImportError("libnvinfer.so:\n cannot"),
            r"imported \(libnvinfer\.so: cannot\)",
        ),
        (
            "tensorrt",
            OSError("libcudart.so.13: no"),
            r"cannot be imported \(libcudart\.so\.13: no\)",
        ),
    ],
)
def test_a_library_that_is_not_whole_names_its_extra(
    name: str, outcome: BaseException, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing(monkeypatch, outcome)
    with pytest.raises(MissingPackage, match=says):
        import_library(name)


def test_other_names_and_old_versions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadConfig, match="'torch' is not known, allowed tensorrt, tensorrt_rtx"):
        import_library("torch")
    importing(monkeypatch, "8.6.1")
    with pytest.raises(EngineFault, match=r"version 8\.6\.1 is too old, allowed 10"):
        import_library("tensorrt")
    importing(monkeypatch, "1.7.1")
    assert import_library("tensorrt_rtx").version == "1.7.1"


def test_what_the_library_says_is_filed_by_weight_without_its_source() -> None:
    library = import_library("tensorrt_rtx")
    messages = Messages()
    listener = listening(library, messages)
    severity = library.trt.ILogger.Severity
    listener.log(severity.INFO, "nothing of note")
    listener.log(severity.WARNING, "slow")
    listener.log(severity.ERROR, "Code 7: Odd (by user In next at /_src/a/b.cpp:92)\n  at once")
    listener.log(severity.ERROR, "[local.cpp::get::132] Error Code 2: OutOfMemory")
    assert list(messages.warnings) == ["slow"]
    assert list(messages.errors) == [
        "Code 7: Odd (by user) at once",
        "Error Code 2: OutOfMemory",
    ]
    assert messages.reason() == "Code 7: Odd (by user) at once"
    for number in range(100):
        listener.log(severity.WARNING, str(number))
    assert list(messages.warnings)[-1] == "99"
    assert len(messages.warnings) < 50


def test_an_interruption_while_the_library_speaks_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    library = import_library("tensorrt_rtx")
    messages = Messages()
    listener = listening(library, messages)

    def interrupted(_text: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("phenostream.engine.backends.tensorrt.library.one_line", interrupted)
    listener.log(library.trt.ILogger.Severity.ERROR, "x")
    assert isinstance(messages.raised, KeyboardInterrupt)


def test_a_long_message_is_cut() -> None:
    assert len(one_line("word " * 200)) == 240
