"""`phenostream doctor`, as a person and as a program read it."""

import json
from pathlib import Path

import pytest

from phenostream.daemon.summariser.llm import bindings
from phenostream.daemon.tuning import plan
from phenostream.deploy.cli.main import main
from phenostream.deploy.doctor import engines
from phenostream.deploy.language_models.shelf import models_folder
from tests.deploy.doctor.test_engines import FOUND


@pytest.fixture(autouse=True)
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "measure_apart", lambda request, **_: FOUND)
    monkeypatch.setattr(plan, "cuda_devices", lambda: 0)


def test_the_table_says_how_right_and_how_fast(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--engines"]) == 0
    said = capsys.readouterr().out
    (row,) = (line.split() for line in said.splitlines() if line.startswith("openvino  "))
    assert row == ["openvino", "fp32", "1.9e-06", "2", "2", "8", "700", "690", "710", "3"]
    assert "openvino int8 cannot serve: precision 'int8' is not available" in said
    assert "SYNTHETIC weights" in said


def test_a_program_reads_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--engines", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["engines"][0]["cells_per_s"] == 700.0
    assert said["measured_now"] is True
    assert said["box"]["cores"] >= 1


def test_the_box_alone_takes_no_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "measure_apart", None)
    assert main(["doctor"]) == 0
    assert "`phenostream doctor --engines` measures them" in capsys.readouterr().out


def test_language_models_are_told_or_how_to_get_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(bindings, "installed_bindings", lambda: ())
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "language models: none, `phenostream fetch-llm smollm2` brings one; run by: no" in said
    models_folder().mkdir(parents=True)
    (models_folder() / "toy.gguf").touch()
    (models_folder() / ".other.gguf.partial").touch()
    monkeypatch.setattr(bindings, "installed_bindings", lambda: ("xllamacpp",))
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["language_models"]
    assert told == {"bindings": ["xllamacpp"], "models": ["toy"]}


def test_where_nothing_can_serve_the_exit_code_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = type(FOUND)((), (), FOUND.absent, FOUND.utc, FOUND.others, FOUND.took_s)
    monkeypatch.setattr(engines, "measure_apart", lambda request, **_: nothing)
    assert main(["doctor", "--engines"]) == 1
    assert "no backend can serve here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--engines", "--seconds", "0"], "--seconds 0: allowed more than 0, up to 600"),
        (["--engines", "--bundle", "/nowhere"], "/nowhere"),
        (["--bundle", "a", "--config", "b"], "not allowed with"),
    ],
)
def test_a_refusal_is_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main(["doctor", *words]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
