"""Units: what systemd says of them, and whether their text is ours."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from phenostream.daemon.security.key_folder import make_server
from phenostream.deploy.doctor import sandbox, units
from phenostream.deploy.doctor.finding import Finding
from phenostream.deploy.doctor.inference import CREDENTIALS, Inferred, answer_of, infer_once
from phenostream.deploy.doctor.patient import Patient
from phenostream.deploy.doctor.unit_file import UnitName
from phenostream.engine.errors import BadConfig, EngineFault
from tests.deploy.doctor.patients import installed, patient, the

UNIT = "[Service]\nType=notify\nUser=\nExecStart=/opt/x/phenostream run\nProtectSystem=strict\n"
WELL = {
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "NRestarts": "0",
}


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What this version ships: the unit above and a drop-in."""
    texts = {"phenostream.service": UNIT, "cpu.conf": "[Service]\nPrivateDevices=yes\n"}
    monkeypatch.setattr(units, "shipped_texts", lambda: texts)
    return texts


def looked(of: Patient, known: Mapping[str, str] | None = WELL) -> list[Finding]:
    (of.root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    return [
        one for one in units.looked(of, lambda name: known) if one.what == "phenostream.service"
    ]


def test_a_unit_that_runs_as_it_is_shipped_is_well(tmp_path: Path, shipped: dict[str, str]) -> None:
    of = installed(tmp_path / "r", UNIT, drop_ins=(shipped["cpu.conf"],))
    (found,) = looked(of)
    assert (found.verdict, found.found) == ("ok", "active (running), enabled")


@pytest.mark.parametrize(
    ("changes", "verdict", "says"),
    [
        (
            {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "2"},
            "fail",
            "reset-failed",
        ),
        ({"ActiveState": "inactive", "SubState": "dead"}, "warn", "systemctl start"),
        ({"UnitFileState": "disabled"}, "warn", "systemctl enable"),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, "warn", "journalctl"),
    ],
)
def test_a_unit_that_does_not_run_says_what_to_do(
    tmp_path: Path, shipped: dict[str, str], changes: dict[str, str], verdict: str, says: str
) -> None:
    (found,) = looked(installed(tmp_path / "r", UNIT), WELL | changes)
    assert found.verdict == verdict
    assert says in found.todo


def test_restarts_and_files_that_systemd_has_not_read_are_told(
    tmp_path: Path, shipped: dict[str, str]
) -> None:
    known = WELL | {"NRestarts": "3", "NeedDaemonReload": "yes"}
    found = looked(installed(tmp_path / "r", UNIT), known)
    assert [one.verdict for one in found] == ["ok", "warn", "warn"]
    assert found[2].figures == {"restarts": 3}


def test_another_text_and_what_a_site_changed_are_told(
    tmp_path: Path, shipped: dict[str, str]
) -> None:
    site = ("[Service]\nProtectSystem=no\n", "[Service]\nNice=5\n")
    of = installed(tmp_path / "r", UNIT + "UMask=0077\n", drop_ins=site)
    found = looked(of)
    assert [one.verdict for one in found] == ["ok", "warn", "warn", "ok"]
    assert "is not the text of this version" in found[1].found
    assert found[2].found.endswith("0.conf changes ProtectSystem")
    assert found[3].found.endswith("1.conf adds Nice")


def test_a_companion_that_nobody_enabled_is_not_wanted(
    tmp_path: Path, shipped: dict[str, str]
) -> None:
    of = installed(tmp_path / "r", UNIT)
    (of.root / "run/systemd/system").mkdir(parents=True)
    (of.root / "etc/systemd/system/phenostream-monitor.service").write_text(UNIT)
    for state, verdict in (("disabled", "ok"), ("enabled", "warn")):
        known = WELL | {"ActiveState": "inactive", "SubState": "dead", "UnitFileState": state}
        found = [
            one
            for one in units.looked(of, lambda name, known=known: known)  # type: ignore[misc]
            if one.what == "phenostream-monitor.service"
        ]
        assert found[0].verdict == verdict


def test_without_systemd_it_is_told_what_lies_there_and_no_state(
    tmp_path: Path, shipped: dict[str, str]
) -> None:
    of = installed(tmp_path / "r", UNIT)
    (found, *_) = units.looked(of, lambda name: WELL)
    assert found.verdict == "not run"
    assert "this box does not run systemd" in found.found
    (silent,) = looked(of, None)
    assert "systemd does not answer" in silent.found


def test_a_configuration_of_a_unit_without_its_unit_fails(tmp_path: Path) -> None:
    of = installed(tmp_path / "r", UNIT)
    (found,) = units.looked(replace(of, unit_file=None), lambda name: None)
    assert found.verdict == "fail"
    assert found.todo == "sudo phenostream install"
    (elsewhere,) = units.looked(patient(tmp_path / "p"), lambda name: None)
    assert elsewhere.verdict == "not run"


def test_the_companions_of_an_instance_are_instances(
    tmp_path: Path, shipped: dict[str, str]
) -> None:
    of = replace(installed(tmp_path / "r", UNIT), unit=UnitName("phenostream@one.service"))
    names = [one.what for one in units.looked(of, lambda name: None)]
    assert names[-2:] == ["phenostream-summariser@one.service", "phenostream-monitor@one.service"]


def test_the_sandbox_is_the_unit_without_how_it_is_started_and_keeps_the_sockets(
    tmp_path: Path,
) -> None:
    text = (
        f"{UNIT}WatchdogSec=15\nRestart=on-failure\nTimeoutStartSec=9\nRuntimeDirectory=%N\n"
        "SystemCallFilter=@system-service\nSystemCallFilter=~@resources\nCapabilityBoundingSet=\n"
    )
    unit = installed(tmp_path / "r", text, drop_ins=("[Service]\nProtectSystem=full\n",)).unit_file
    assert unit is not None
    assert sandbox.properties(unit) == [
        "User=",
        "ProtectSystem=strict",
        "RuntimeDirectory=phenostream",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@resources",
        "CapabilityBoundingSet=",
        "ProtectSystem=full",
        "RuntimeDirectoryPreserve=yes",
    ]
    words = sandbox.command(unit, Path("/c.toml"))
    assert words[0] == "systemd-run"
    assert words[-5:] == ["/opt/x/phenostream", "doctor", "--inside", "--config", "/c.toml"]


CPU = Inferred("openvino", "bf16", "CPU", 1.5, 32)


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "why_not_inside", lambda of: None)
    monkeypatch.setattr(sandbox, "asked_outside", lambda path, account: CPU)


@pytest.mark.usefixtures("able")
def test_another_backend_inside_than_outside_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = installed(tmp_path / "r", UNIT)
    monkeypatch.setattr(sandbox, "answer_of", lambda words: CPU)
    assert [one.verdict for one in sandbox.look(of)] == ["ok", "ok"]
    other = replace(CPU, backend="onnxruntime")
    monkeypatch.setattr(sandbox, "answer_of", lambda words: other)
    found = list(sandbox.look(of))
    assert [one.verdict for one in found] == ["ok", "ok", "warn"]
    assert "onnxruntime serves there, openvino outside" in found[2].found


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(
    ("error", "verdict"),
    [("Unknown assignment: X=1", "not run"), ("openvino: Operation not permitted", "fail")],
)
def test_what_the_unit_forbids_fails_and_what_systemd_run_does_not_know_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str, verdict: str
) -> None:
    def refuse(words: list[str]) -> Inferred:
        raise EngineFault(error)

    monkeypatch.setattr(sandbox, "answer_of", refuse)
    found = the(list(sandbox.look(installed(tmp_path / "r", UNIT))), "inside the unit")
    assert found.verdict == verdict
    assert error in found.found


def test_without_a_unit_the_reason_is_said(tmp_path: Path) -> None:
    of = patient(tmp_path / "p")
    assert "is no unit's configuration" in (sandbox.why_not_inside(of) or "")
    unit = UnitName("phenostream.service")
    assert "is not installed" in (sandbox.why_not_inside(replace(of, unit=unit)) or "")
    inside = installed(tmp_path / "r", UNIT)
    assert sandbox.why_not_inside(inside) == "this box does not run systemd"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo not this; exit 0", "nothing that the doctor understands"),
        ("echo one >&2; echo 'phenostream doctor: no such bundle' >&2; exit 2", "^no such bundle$"),
        (
            "printf 'not permitted (thread.cpp:315)\\nFatal Python error: Aborted\\nThread 1\\n' >&2; exit 134",
            "^not permitted .thread.cpp:315.; Fatal Python error: Aborted$",
        ),
        ("kill -11 $$", "^it was ended by signal 11$"),
        ("exit 7", "^it ended with code 7$"),
    ],
)
def test_a_process_that_does_not_infer_says_why(script: str, says: str) -> None:
    with pytest.raises(EngineFault, match=says):
        answer_of(["/bin/sh", "-c", script])


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(EngineFault, match=r"it cannot begin: /no/where: No such file"):
        answer_of(["/no/where"])


def test_the_secret_key_is_read_where_systemd_hands_it_over_and_left_alone_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_server(tmp_path / "keys")
    secret = tmp_path / "keys/server.key"
    secret.write_text("no key")
    settings = 'backend = "fake"\n[security]\nkeys = "../keys"\n'
    config = patient(tmp_path / "p", settings).config
    assert config is not None
    monkeypatch.delenv(CREDENTIALS, raising=False)
    assert infer_once(config)["backend"] == "fake"
    monkeypatch.setenv(CREDENTIALS, str(tmp_path / "keys"))
    with pytest.raises(BadConfig, match="allowed a file with a public-key and a secret-key"):
        infer_once(config)
