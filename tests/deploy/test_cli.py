"""The command line: one visible table, lazy modules, one line and an exit code for every error."""

import argparse
import dataclasses
import importlib
import json
import re
import signal
import subprocess
import sys
import tomllib
from contextlib import ExitStack
from pathlib import Path

import pytest

from phenostream.deploy.cli import info
from phenostream.deploy.cli.main import BAD_USAGE, COMMANDS, GOOD, main


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_explains_itself(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == GOOD
    shown = capsys.readouterr().out
    module = importlib.import_module(f"phenostream.deploy.cli.{COMMANDS[name][0]}")
    assert module.__doc__ is not None
    assert module.__doc__.splitlines()[0] in shown
    assert "Research use only" in shown


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["analyse"], "analyse"),
        (["simulate", "--to", "ipc:///tmp/none", "--instrument", "a/b"], "--instrument 'a/b'"),
        (["demo", "--instrument", "a b"], "--instrument 'a b': allowed 1 to 64"),
        (["run"], "--config"),
        (["run", "--config", "/nowhere/phenostream.toml"], "/nowhere/phenostream.toml"),
        (["simulate", "--to", "ipc:///tmp/none", "--size", "12"], "--size 12"),
        (["simulate", "--to", "ipc:///tmp/none", "--frames", "0"], "--frames 0"),
        (["simulate", "--to", "ipc:///tmp/none", "--size", "256", "--rate", "-3"], "--rate -3"),
        (["simulate", "--bind"], "--bind: allowed with --best-effort"),
        (["simulate", "--best-effort", "pub", "--bind", "--to", "nonsense"], "'nonsense'"),
        (["replay", "PATH", "--topic", "cam"], "PATH"),
        (
            ["replay", "/nowhere/cells.phenorec", "--to", "ipc:///tmp/none"],
            "/nowhere/cells.phenorec",
        ),
        (
            ["record", "--from", "nonsense", "/nowhere/none.phenorec"],
            "--from 'nonsense': allowed ipc",
        ),
        (["record", "--compress", "10", "/nowhere/none.phenorec"], "--compress 10: allowed 0 to 9"),
        (["info", "/nowhere/cells.phenorec"], "/nowhere/cells.phenorec"),
        (["watch", "--results", "X"], "see `phenostream watch --help`"),
        (["watch", "nowhere"], "'nowhere'"),
        (["watch", "ipc://"], "'ipc://'"),
        (["export", "/nowhere/journal", "cells.csv"], "/nowhere/journal"),
        (["export", "/nowhere/journal", "cells.xlsx"], "cells.xlsx"),
    ],
)
def test_bad_usage_is_one_line_that_names_it_and_exit_code_2(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: int | str | None = main(words)
    except SystemExit as stopped:
        code = stopped.code
    said = capsys.readouterr().err.strip()
    assert code == BAD_USAGE
    assert named in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_what_pydantic_refuses_anywhere_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from phenostream.daemon.wire.ingest import Hello

    monkeypatch.setattr(info, "run", lambda _args: Hello(instrument="a b"))
    assert main(["info", "cells.phenorec"]) == BAD_USAGE
    said = capsys.readouterr().err
    assert said.startswith("phenostream info: instrument: 'a b': allowed 1 to 64 letters")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["info", "/nowhere/cells.phenorec", "--json"], BAD_USAGE),
        (["check", "--json"], BAD_USAGE),
        (["check", "--json", "--config", "/nowhere/phenostream.toml"], BAD_USAGE),
    ],
)
def test_with_json_a_failure_is_json_too(
    words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert (told["good"], told["exit_code"]) == (False, code)
    assert told["reason"] in said.err


def test_sigterm_unwinds_a_command_and_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed: list[bool] = []

    def work(_args: argparse.Namespace) -> int:
        with ExitStack() as stack:
            stack.callback(closed.append, True)
            signal.raise_signal(signal.SIGTERM)
        return GOOD

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(info, "run", work)
    assert main(["info", "cells.phenorec"]) == 143
    assert closed == [True]
    assert capsys.readouterr().err == "phenostream info: terminated\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_daemon_starts_without_loading_what_it_does_not_need() -> None:
    script = (
        "import sys\n"
        "import phenostream.daemon.lifecycle, phenostream.deploy.cli.run\n"
        "heavy = {'torch', 'onnx', 'pyarrow', 'scipy', 'phenostream.trainer'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr


def test_version_names_the_libzmq_it_runs_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert "libzmq 4." in capsys.readouterr().out


def test_the_example_configuration_is_a_valid_one() -> None:
    from phenostream.daemon.config import load_config

    path = Path(__file__).parents[2] / "deploy" / "config.example.toml"
    config = load_config(path)
    assert config.model.bundle == "demo"


def test_the_example_configuration_shows_every_key_with_its_true_default() -> None:
    from phenostream.daemon.config import parse_config
    from phenostream.daemon.config_format import FORMAT

    text = (Path(__file__).parents[2] / "deploy" / "config.example.toml").read_text()
    shown: dict[str, dict[str, object]] = {}
    section, required = "", []
    before, tables = text.split("\n[", 1)
    assert tomllib.loads(before) == {"format": FORMAT}
    for line in f"[{tables}".split("# [[sources]]")[0].splitlines():
        if line.startswith("["):
            section = line[1 : line.index("]")]
            shown[section] = {}
        elif matched := re.match(r"(# )?(\w+) = (.*)$", line):
            commented, key, rest = matched.groups()
            if commented is None:
                told = re.search(r'# (no default|default ("[^"]*"))', rest)
                assert told is not None, f"{section}.{key} does not tell its default"
                if told.group(2) is None:
                    required.append(f"{section}.{key}")
                rest = told.group(2) or '"needed"'
            shown[section][key] = tomllib.loads(f"x = {rest}")["x"]
    least = {"journal": {"directory": "needed"}, "model": {"bundle": "needed"}}
    assert required == ["journal.directory", "model.bundle"]
    assert parse_config(shown, Path("/site")) == parse_config(least, Path("/site"))
    kept = parse_config(least, Path("/site")).model_dump()
    assert kept.pop("sources") == ()
    assert {name: set(keys) for name, keys in shown.items()} == {
        name: set(keys if isinstance(keys, dict) else dataclasses.asdict(keys))
        for name, keys in kept.items()
    }


def test_the_example_configuration_shows_every_key_of_a_source_with_its_true_default() -> None:
    from phenostream.daemon.source_config import SourceConfig

    text = (Path(__file__).parents[2] / "deploy" / "config.example.toml").read_text()
    lines = re.findall(r"(?m)^# (\w+ = .*)$", text.split("# [[sources]]")[1])
    shown = tomllib.loads("\n".join(lines))
    assert set(shown) == set(SourceConfig.model_fields)
    required = {line.split(" = ")[0] for line in lines if "# no default" in line}
    assert {
        key for key, told in SourceConfig.model_fields.items() if told.is_required()
    } == required
    assert SourceConfig(**{**shown, "socket": "sub"}).topic == ""
    least = SourceConfig(**{key: shown[key] for key in required})
    assert least == SourceConfig(**shown | {"topic": None})


def test_train_tells_its_defaults_its_time_and_its_weight(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "(default 24000)" in shown
    assert "20 minutes on one core" in shown
    assert "several GB" in shown
