"""Which language model is taken, and what is said where there is none."""

from pathlib import Path

import pytest

from phenostream.daemon.summariser.llm import bindings
from phenostream.deploy.narrator import NONE, Narrator, narrator
from phenostream.engine.errors import BadLanguageModel, MissingPackage


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This user's models."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(bindings, "installed_bindings", lambda: ("xllamacpp",))
    folder = tmp_path / "phenostream" / "models"
    folder.mkdir(parents=True)
    return folder


def test_the_demos_model_is_taken_where_it_is_there(shelf: Path) -> None:
    (shelf / "smollm2.gguf").touch()
    assert narrator(None) == Narrator(shelf / "smollm2.gguf")


def test_without_one_it_is_said_how_to_get_it(shelf: Path) -> None:
    found = narrator(None)
    assert found.model is None
    assert found.lacks.endswith("get it: phenostream fetch-llm smollm2")


def test_without_a_binding_it_is_said_how_to_get_one(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shelf / "smollm2.gguf").touch()
    monkeypatch.setattr(bindings, "installed_bindings", tuple)
    found = narrator(None)
    assert found.model is None
    assert "pip install 'phenostream[llm]'" in found.lacks
    with pytest.raises(MissingPackage):
        narrator("smollm2")


def test_one_that_is_asked_for_must_be_there(shelf: Path) -> None:
    with pytest.raises(BadLanguageModel, match=r"other\.gguf: no such file"):
        narrator(str(shelf / "other.gguf"))


def test_none_is_none_also_where_there_is_one(shelf: Path) -> None:
    (shelf / "smollm2.gguf").touch()
    assert narrator(NONE) == Narrator()
