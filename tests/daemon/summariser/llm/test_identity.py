"""Who a model is said to be: by its card only if the card is of that very file."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from phenostream.daemon.summariser.llm.card import ModelCard, card_path
from phenostream.daemon.summariser.llm.identity import model_facts
from phenostream.engine.errors import BadLanguageModel
from tests.daemon.summariser.llm.gguf_files import Value, chat_model


def written(folder: Path, **keys: Value) -> Path:
    path = folder / "toy.gguf"
    path.write_bytes(chat_model(**keys).as_bytes())
    return path


def test_without_a_card_a_file_speaks_for_itself(tmp_path: Path) -> None:
    facts = model_facts(written(tmp_path), "fake")
    assert (facts.name, facts.licence, facts.parameters) == ("Toy Instruct", "apache-2.0", 32)
    assert (len(facts.sha256), facts.has_chat_template, facts.binding) == (64, True, "fake")


@pytest.mark.parametrize("is_of_it", [True, False])
def test_a_card_is_believed_of_the_file_that_it_names(tmp_path: Path, is_of_it: bool) -> None:
    path = written(tmp_path, general__license="")
    sha256 = model_facts(path, "fake").sha256 if is_of_it else "0" * 64
    card = ModelCard("toy", "Toy F32", sha256, 1, 1, "F32", "MIT", "a package")
    card_path(path).write_text(json.dumps(asdict(card)))
    facts = model_facts(path, "fake")
    expected = ("Toy F32", "MIT") if is_of_it else ("Toy Instruct", "")
    assert (facts.name, facts.licence) == expected


@pytest.mark.parametrize("card", ["{}", "[", '{"name": 3}', "x" * 20_000])
def test_a_damaged_card_is_as_none(tmp_path: Path, card: str) -> None:
    path = written(tmp_path)
    card_path(path).write_text(card)
    assert model_facts(path, "fake").name == "Toy Instruct"


@pytest.mark.parametrize(
    ("name", "shown"), [("x" * 100, "x" * 64), ("a\x1b[2J\n", "a?[2J?"), ("", "toy")]
)
def test_a_name_can_stand_in_a_record(tmp_path: Path, name: str, shown: str) -> None:
    assert model_facts(written(tmp_path, general__name=name), "fake").name == shown


def test_a_base_model_is_nobody(tmp_path: Path) -> None:
    with pytest.raises(BadLanguageModel, match="a base model"):
        model_facts(written(tmp_path, tokenizer__chat_template=""), "fake")
