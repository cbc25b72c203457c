"""The command line: one visible table, lazy modules, one line and an exit code for every error."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

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
        (["run"], "--config"),
        (["run", "--config", "/nowhere/phenostream.toml"], "/nowhere/phenostream.toml"),
        (["simulate", "--to", "ipc:///tmp/none", "--size", "12"], "--size 12"),
        (["simulate", "--to", "ipc:///tmp/none", "--frames", "0"], "--frames 0"),
        (["simulate", "--to", "ipc:///tmp/none", "--size", "256", "--rate", "-3"], "--rate -3"),
        (
            ["replay", "/nowhere/cells.phenorec", "--to", "ipc:///tmp/none"],
            "/nowhere/cells.phenorec",
        ),
        (["info", "/nowhere/cells.phenorec"], "/nowhere/cells.phenorec"),
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
