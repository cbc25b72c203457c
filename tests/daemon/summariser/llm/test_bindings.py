"""The visible table of bindings: what is chosen, and what is said where it cannot be."""

from pathlib import Path

import pytest

from phenostream.daemon.summariser.llm import bindings
from phenostream.daemon.summariser.llm.bindings import open_language_model
from phenostream.daemon.summariser.llm.protocol import Opening
from phenostream.engine.errors import BadConfig, BadInput, EngineFault, MissingPackage
from tests.daemon.summariser.toy_models import GRAMMAR, MESSAGES, TEXTS, fake_setup


def test_an_unknown_binding_names_the_allowed_ones(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="allowed auto, llama-cpp-python, xllamacpp, fake"):
        open_language_model(Opening(tmp_path), "ollama")


@pytest.mark.parametrize("binding", ["auto", "llama-cpp-python", "xllamacpp"])
def test_a_missing_binding_names_the_extras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binding: str
) -> None:
    monkeypatch.setattr(bindings, "find_spec", lambda _package: None)
    with pytest.raises(MissingPackage, match=r"phenostream\[llm\].*phenostream\[llm-prebuilt\]"):
        open_language_model(Opening(tmp_path / "some.gguf"), binding)


def test_a_fake_takes_a_path_through_the_grammar_that_its_seed_decides(tmp_path: Path) -> None:
    model = open_language_model(Opening(fake_setup(tmp_path).path))
    texts = {
        model.complete(MESSAGES, grammar=GRAMMAR, max_tokens=64, deadline_s=1, seed=seed).text
        for seed in range(20)
    }
    assert texts == set(TEXTS)


def test_a_fake_ends_at_the_longest_text(tmp_path: Path) -> None:
    model = open_language_model(Opening(fake_setup(tmp_path, says="a long story").path))
    done = model.complete(MESSAGES, grammar=None, max_tokens=1, deadline_s=1)
    assert (done.text, done.tokens, done.ended) == ("a lo", 1, "length")


def test_a_fake_refuses_a_grammar_it_cannot_walk(tmp_path: Path) -> None:
    model = open_language_model(Opening(fake_setup(tmp_path).path))
    with pytest.raises(BadInput, match="sequence of choices"):
        model.complete(MESSAGES, grammar="root ::= [a-z]+", max_tokens=9, deadline_s=1)


def test_a_fake_fails_on_command(tmp_path: Path) -> None:
    model = open_language_model(Opening(fake_setup(tmp_path, fault="fail").path))
    with pytest.raises(EngineFault, match="told to fail"):
        model.complete(MESSAGES, grammar=None, max_tokens=1, deadline_s=1)
