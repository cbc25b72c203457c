"""`check`: what is behind the configuration, the few figures that matter, and numbers for programs."""

import json
import os
import re
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Literal

import pytest

from phenostream.daemon.config import load_config
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.monitor_config import MonitorConfig
from phenostream.daemon.reference_file import write_reference
from phenostream.daemon.security.key_folder import make_client, make_server
from phenostream.daemon.summariser.llm import bindings
from phenostream.daemon.summary_config import SummaryConfig
from phenostream.deploy.bundles import demo_bundle
from phenostream.deploy.child import child_settings
from phenostream.deploy.cli.check import free_text, try_tcp, who_serves_http
from phenostream.deploy.cli.main import main
from phenostream.deploy.doctor import patient
from phenostream.deploy.doctor.account import Account
from phenostream.deploy.doctor.endpoints import first_open_port
from phenostream.deploy.narrator import who_words
from phenostream.engine.bundle import load_bundle
from phenostream.engine.errors import BadConfig
from phenostream.engine.summary.reference import Reference
from tests.daemon.summariser.llm.gguf_files import chat_model
from tests.engine.summary.populations import Population


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The least configuration, with the demo bundle."""
    path = tmp_path / "c.toml"
    path.write_text(child_settings("demo"))
    return path


def test_figures_are_numbers_for_a_program(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--json", "--config", str(config)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["good"]
    assert all(isinstance(m["value"], float) and m["low"] <= m["high"] for m in told["metrics"])
    assert told["metrics"]
    assert not any("measured" in key for key in told["found"])


def test_a_person_sees_the_headline_and_asks_for_the_rest(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--config", str(config)]) == 0
    few = capsys.readouterr().out
    assert main(["check", "--metrics", "--config", str(config)]) == 0
    all_of_them = capsys.readouterr().out
    assert "--metrics)" in few
    assert len(few.splitlines()) < len(all_of_them.splitlines())
    assert "golden self-test passed" in few


def test_a_damaged_journal_is_told_and_left_as_it_is(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = load_config(config).journal.directory
    journal = Journal(directory)
    for _ in range(3):
        journal.append([("summary", b"x" * 90)])
        journal.sync()
    journal.close()
    (path,) = directory.glob("*.journal")
    damaged = b"X" + path.read_bytes()[1:]
    path.write_bytes(damaged)
    assert main(["check", "--config", str(config)]) == 3
    said = capsys.readouterr().out
    assert f"{path}: damaged at byte 0" in said
    assert "offset 0 is lost" in said
    assert "would start, degraded" in said
    assert path.read_bytes() == damaged


def test_little_space_is_told_in_mib_with_a_warning() -> None:
    assert free_text(40 * 2**20) == "40 MiB free, WARNING: less than 1 GiB"
    assert free_text(3 * 2**30) == "3.0 GiB free"


def test_who_may_come_in_and_what_is_plain_is_told(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = config.parent / "keys"
    make_server(keys)
    make_client(keys, "scope-1", "source", config.parent / "scope-1")
    with config.open("a") as file:
        file.write('[results]\nendpoint = "tcp://127.0.0.1:*"\n')
        file.write('[security]\nkeys = "keys"\nplain = ["results"]\n')
    assert main(["check", "--json", "--config", str(config)]) == 0
    found = json.loads(capsys.readouterr().out)["found"]
    assert (
        found["security.keys"]
        == f"{keys}, let in: 1 source, 0 subscriber, 0 summariser, 0 operator"
    )
    assert "open to whoever reaches it" in found["results is PLAIN"]
    (keys / "server.key").chmod(0o644)
    assert main(["check", "--config", str(config)]) == 2
    assert "server.key: mode 0644 lets others at a secret" in capsys.readouterr().err


@pytest.mark.parametrize("own", [True, False])
def test_the_reference_is_told_and_whether_it_can_be_compared_with(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], own: bool
) -> None:
    sha256 = load_bundle(demo_bundle()).sha256 if own else "b" * 64
    path = tmp_path / "healthy.json"
    write_reference(path, Reference("healthy", sha256, Population(7).draw(300)))
    config.write_text(f'{config.read_text()}\n[summary]\nreference = "{path}"\n')
    assert main(["check", "--json", "--config", str(config)]) == 0
    told = json.loads(capsys.readouterr().out)["found"]["summary.reference"]
    assert told.startswith("'healthy', ")
    assert ("nothing is compared with it" in told) is not own
    path.write_text("{}")
    assert main(["check", "--config", str(config)]) == 2
    assert "healthy.json: reference: format" in capsys.readouterr().err


def test_what_runs_are_watched_against_is_told(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = config.read_text()
    path, sha256 = tmp_path / "healthy.json", load_bundle(demo_bundle()).sha256
    write_reference(path, Reference("healthy", sha256, Population(7).draw(300)))
    said = {
        "": "against the training population of 150 frames",
        "training = false": "not watched",
        'against = "previous"': "frames; against the instrument's run before",
        f'against = "{path}"': "frames; against 'healthy', ",
    }
    for settings, expected in said.items():
        config.write_text(f"{told}\n[drift]\n{settings}\n")
        assert main(["check", "--config", str(config), "--json"]) == 0
        assert expected in json.loads(capsys.readouterr().out)["found"]["drift"]
    config.write_text(f'{told}\n[drift]\nagainst = "prevoius"\n')
    assert main(["check", "--config", str(config)]) == 2
    assert "prevoius: there is no such file" in capsys.readouterr().err
    config.write_text(f"{told}\n[drift]\nmarker_sd = 0\n")
    assert main(["check", "--config", str(config)]) == 2
    assert "drift.marker_sd: 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mode", "content", "says"),
    [
        ("grammar", chat_model().as_bytes(), ""),
        (
            "free",
            chat_model().as_bytes(),
            "; UNFIT: free mode: 32 parameters, allowed 1,500,000,000",
        ),
        ("grammar", b"no model", "; UNFIT: .*toy.gguf: not a GGUF file"),
        (
            "grammar",
            chat_model(tokenizer__chat_template="").as_bytes(),
            "; UNFIT: no chat template: a base model",
        ),
    ],
)
def test_a_language_model_that_cannot_do_what_is_configured_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: Literal["grammar", "free"],
    content: bytes,
    says: str,
) -> None:
    monkeypatch.setattr(bindings, "installed_bindings", lambda: ("llama-cpp-python",))
    (tmp_path / "toy.gguf").write_bytes(content)
    told = who_words(SummaryConfig(llm=str(tmp_path / "toy.gguf"), mode=mode))
    assert re.search(f"toy.gguf, mode {mode}, started by `run`{says}", told), told
    assert ("UNFIT" in told) == bool(says)


def test_who_words_summaries_is_told_and_nothing_fails_where_he_is_missing(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = config.read_text()

    def told(summary: str) -> str:
        config.write_text(f"{plain}[summary]\n{summary}\n")
        assert main(["check", "--json", "--config", str(config)]) == 0
        return str(json.loads(capsys.readouterr().out)["found"]["summary.llm"])

    assert told("") == "none: the template words summaries"
    missing = "MISSING, the template words summaries: language model nobody: not at "
    assert told('llm = "nobody"').startswith(missing)
    (config.parent / "toy.fake.json").write_text("{}")
    model = config.parent / "toy.fake.json"
    assert told('llm = "toy.fake.json"') == f"{model}, mode grammar, started by `run`"
    assert told('llm = "toy.fake.json"\nmode = "template"').startswith("none:")
    by_others = told('llm = "toy.fake.json"\nstart = false')
    assert by_others == f"{model}, mode grammar, not started by `run`"


def test_who_serves_metrics_is_told_and_nothing_fails_where_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monitor = MonitorConfig(address=f"127.0.0.1:{taken.getsockname()[1]}")
        told = who_serves_http(monitor, Account.ours())
        assert told.startswith(
            f"MISSING, nothing speaks HTTP: monitor.address: tcp://{monitor.address}"
        )
        others = monitor.model_copy(update={"start": False})
        assert who_serves_http(others, Account.ours()) == f"{monitor.address}, not started by `run`"
    assert who_serves_http(monitor, Account.ours()) == f"{monitor.address}, started by `run`"


def test_a_configuration_is_written_in_todays_format_with_its_comments(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = config.read_text()
    config.write_text(f"# ours\n{text}")
    new = config.with_name("new.toml")
    assert main(["check", "--config", str(config), "--migrate", str(new)]) == 0
    assert "format 0 to 1: the file says its format" in capsys.readouterr().out
    assert new.read_text() == f"# ours\nformat = 1\n{text}"
    assert load_config(new) == load_config(config)
    assert main(["check", "--config", str(new), "--migrate", "-"]) == 0
    assert capsys.readouterr().out == new.read_text()
    assert main(["check", "--config", str(new), "--migrate", str(config)]) == 2
    assert "there already, allowed a new file" in capsys.readouterr().err
    assert not (config.parent / "journal").exists()


def test_a_migrated_configuration_is_readable_by_whom_the_old_one_was(config: Path) -> None:
    config.chmod(0o640)
    new = config.with_name("new.toml")
    before = os.umask(0o077)
    try:
        assert main(["check", "--config", str(config), "--migrate", str(new)]) == 0
    finally:
        os.umask(before)
    assert new.stat().st_mode & 0o777 == 0o640
    assert (new.stat().st_uid, new.stat().st_gid) == (config.stat().st_uid, config.stat().st_gid)


def test_a_configuration_with_a_wrong_key_is_not_migrated(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text() + "max_bach = 1\n")
    new = config.with_name("new.toml")
    assert main(["check", "--config", str(config), "--migrate", str(new)]) == 2
    assert "model.max_bach: unknown key" in capsys.readouterr().err
    assert not new.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_root_checks_as_the_daemons_user_and_leaves_nothing_that_he_cannot_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nobody = Account("nobody", 65534, 65534, ())
    monkeypatch.setattr(patient, "daemon_account", lambda path: nobody)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "c.toml").write_text(child_settings("demo"))
        for one in ("journal", "quarantine"):
            (folder / one).mkdir(mode=0o700)
            os.chown(folder / one, 65534, 65534)
        for _ in range(2):  # its unit makes the folder of the sockets, and would make ours his
            assert main(["check", "--config", str(folder / "c.toml")]) == 0
        sockets = folder / "run"
        shutil.rmtree(sockets)
        sockets.mkdir(mode=0o750)
        os.chown(sockets, 65534, 65534)
        assert main(["check", "--config", str(folder / "c.toml")]) == 0
        assert {path.stat().st_uid for path in (folder / "journal").iterdir()} == {65534}
        assert {path.stat().st_uid for path in sockets.iterdir()} == {65534}
    assert os.geteuid() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_port_that_only_root_may_use_is_refused_to_another_user_by_root() -> None:
    nobody = Account("nobody", 65534, 65534, ())
    last = first_open_port() - 1
    if last < 1:
        pytest.skip("every port of this box is open to everyone")
    with pytest.raises(BadConfig, match=f"only root may use, allowed from {last + 1} on"):
        try_tcp(f"tcp://127.0.0.1:{last}", "ingest.endpoint", nobody)
    try_tcp(f"tcp://127.0.0.1:{last}", "ingest.endpoint", Account.ours())
    assert os.geteuid() == 0
