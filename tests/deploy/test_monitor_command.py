"""`monitor`: what it refuses before it listens, in one line."""

from pathlib import Path

import pytest

from phenostream.daemon.config import load_config
from phenostream.daemon.security.key_folder import make_client, make_server
from phenostream.deploy.child import child_settings
from phenostream.deploy.cli.main import main
from phenostream.deploy.cli.monitor import _keys

HTTP = '[monitor]\naddress = "127.0.0.1:*"\n'
CURVE = '[control]\nendpoint = "tcp://127.0.0.1:6"\n[security]\nkeys = "keys"\n'


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("", "monitor.address: empty: nothing to do"),
        (
            '[control]\nendpoint = "tcp://127.0.0.1:*"\n' + HTTP,
            "control.endpoint: tcp://127.0.0.1:*",
        ),
        (CURVE + HTTP, "monitor.keys: empty: allowed the folder"),
    ],
)
def test_what_is_refused_is_one_line(
    settings: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(child_settings("demo") + settings)
    assert main(["monitor", "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_without_its_package_it_names_the_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phenostream.deploy.extras.find_spec", lambda name: None)
    assert main(["monitor", "--config", str(tmp_path / "c.toml")]) == 2
    assert "pip install 'phenostream[monitor]'" in capsys.readouterr().err


def test_our_key_is_only_for_an_endpoint_that_asks(tmp_path: Path) -> None:
    make_server(tmp_path / "keys")
    make_client(tmp_path / "keys", "watcher", "subscriber", tmp_path / "watcher.keys")
    config = tmp_path / "c.toml"
    mine = '[monitor]\nkeys = "watcher.keys"\n'
    config.write_text(child_settings("demo") + CURVE + mine)
    assert _keys(load_config(config), "control", "tcp://127.0.0.1:6") is not None
    config.write_text(child_settings("demo") + mine)
    assert _keys(load_config(config), "control", "tcp://127.0.0.1:6") is None
