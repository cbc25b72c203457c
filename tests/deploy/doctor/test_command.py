"""`phenostream doctor`, as a person and as a program read it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from phenostream.daemon.summariser.llm import bindings
from phenostream.daemon.tuning import plan
from phenostream.deploy.cli.main import main
from phenostream.deploy.doctor import engines, language_model, sections
from phenostream.deploy.doctor import patient as patient_module
from phenostream.deploy.doctor.finding import Finding, not_run, ok, warn
from phenostream.deploy.doctor.patient import Patient
from phenostream.deploy.doctor.sections import SECTIONS, Section
from phenostream.deploy.language_models.shelf import models_folder
from phenostream.engine.errors import BadConfig
from tests.deploy.doctor.patients import patient
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


def test_a_box_without_a_configuration_is_told_and_what_needs_one_is_not_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_module, "USUAL", Path("no/such/place"))
    code = main(["doctor", "--json"])
    told = json.loads(capsys.readouterr().out)
    findings = told["findings"]
    assert code == any(one["verdict"] == "fail" for one in findings)
    assert list(dict.fromkeys(one["section"] for one in findings)) == [one.name for one in SECTIONS]
    without = {one["section"] for one in findings if one["verdict"] == "not run"}
    assert without >= {one.name for one in SECTIONS if one.of_config} | {"configuration"}
    assert told["config"] is None
    assert told["box"]["cores"] >= 1


def test_a_configuration_is_looked_at_through_and_through_and_infers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    of = patient(tmp_path / "p")
    main(["doctor", "--json", "--config", str(of.path)])
    told = json.loads(capsys.readouterr().out)
    of_inference = [one for one in told["findings"] if one["section"] == "inference"]
    assert [(one["what"], one["verdict"]) for one in of_inference] == [
        ("outside", "ok"),
        ("inside the unit", "not run"),
    ]
    assert "golden self-test passed, a batch of 32 cells inferred" in of_inference[0]["found"]
    assert of_inference[0]["figures"]["load_s"] > 0
    speed = next(one for one in told["findings"] if one["what"] == "journal speed")
    assert speed["figures"].keys() == {"mb_per_s", "fdatasync_p50_ms", "fdatasync_p99_ms"}
    assert list((tmp_path / "p").iterdir()) == [of.path]  # nothing was made or left behind


def raising(of: Patient) -> Iterator[Finding]:
    yield ok("first", "well")
    raise BadConfig("x.y: 3: allowed 1")


def test_a_person_reads_a_line_a_finding_and_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = (
        Section("one", lambda of: iter([warn("a", "so \x1b so", "do this"), not_run("b", "why")])),
        Section("two", raising),
    )
    monkeypatch.setattr(sections, "SECTIONS", table)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "one",
        "  warn     a: so ? so",
        "           -> do this",
        "  not run  b: why",
        "two",
        "  ok       first: well",
        "  fail     two: x.y: 3: allowed 1",
        "           -> mend what this line names, then look again",
        "",
        "1 ok, 1 warn, 1 fail, 1 not run",
        "engines: not timed; `phenostream doctor --engines` does",
    ]
    monkeypatch.setattr(sections, "SECTIONS", table[:1])
    assert main(["doctor"]) == 0


def test_a_finding_that_is_not_well_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="a: warn without what to do"):
        warn("a", "so", "")


def test_language_models_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(language_model, "installed_bindings", lambda: ())
    of = patient(tmp_path / "p")
    assert [one.found for one in language_model.look(of)] == [
        "none; none is asked for",
        "nothing; nothing need be",
    ]
    models_folder().mkdir(parents=True)
    (models_folder() / "toy.gguf").touch()
    (models_folder() / ".other.gguf.partial").touch()
    monkeypatch.setattr(bindings, "installed_bindings", lambda: ("xllamacpp",))
    monkeypatch.setattr(sections, "SECTIONS", ())
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["language_models"]
    assert told == {"bindings": ["xllamacpp"], "models": ["toy"]}


def test_a_language_model_that_is_asked_for_is_told_by_its_hash_or_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (missing,) = language_model.look(patient(tmp_path / "p", '[summary]\nllm = "nobody"\n'))
    assert missing.verdict == "warn"
    assert "phenostream fetch-llm" in missing.todo
    (tmp_path / "p/toy.fake.json").write_text("{}")
    of = patient(tmp_path / "p", '[summary]\nllm = "toy.fake.json"\n')
    told, hashed = language_model.look(of)
    assert (told.verdict, hashed.found) == ("ok", "44136fa355b3: none of the table")


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
