"""`summariser`: what it refuses before it listens to anybody, in one line."""

import os
import signal
from argparse import Namespace
from pathlib import Path

import pytest

from phenostream.daemon.config import load_config
from phenostream.daemon.security.key_folder import make_client, make_server
from phenostream.deploy.child import child_settings
from phenostream.deploy.cli.main import main
from phenostream.deploy.cli.summariser import _daemon

RESULTS = '[results]\nendpoint = "tcp://127.0.0.1:*"\n'


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("", "summary.llm: '', summary.mode: 'grammar': nothing to do"),
        (
            '[summary]\nllm = "toy.fake.json"\nmode = "template"\n',
            "summary.mode: 'template': nothing",
        ),
        ('[summary]\nllm = "nobody"\n', "language model nobody: not at"),
        ('[summary]\nllm = "no/such.gguf"\n', "no such file"),
        (
            f'{RESULTS}[summary]\nllm = "toy.fake.json"\n',
            "results.endpoint: tcp://127.0.0.1:*: allowed",
        ),
        ('[summary]\nllm = "toy.fake.json"\nkeys = "keys"\n', "keys"),
        (
            '[results]\nendpoint = "tcp://127.0.0.1:5"\n[security]\nkeys = "k"\n'
            '[summary]\nllm = "toy.fake.json"\n',
            "summary.keys: empty: allowed the folder of `phenostream keys client DIR --role summariser`",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    tmp_path: Path, settings: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(child_settings("demo") + settings)
    (tmp_path / "toy.fake.json").write_text("{}")
    assert main(["summariser", "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_one_that_is_told_to_stop_before_it_has_begun_ends_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(_path: Path) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("phenostream.deploy.bundles.load_site_config", stopped)
    assert main(["summariser", "--config", "c.toml"]) == 0


@pytest.mark.parametrize("plain", ["results", "control"])
def test_our_key_is_kept_from_an_endpoint_that_speaks_plain_by_consent(
    tmp_path: Path, plain: str
) -> None:
    make_server(tmp_path / "keys")
    make_client(tmp_path / "keys", "words", "summariser", tmp_path / "words.keys")
    config = tmp_path / "c.toml"
    config.write_text(
        child_settings("demo")
        + '[results]\nendpoint = "tcp://127.0.0.1:5"\n[control]\nendpoint = "tcp://127.0.0.1:6"\n'
        f'[security]\nkeys = "keys"\nplain = ["{plain}"]\n[summary]\nkeys = "words.keys"\n'
    )
    where = _daemon(load_config(config), Namespace(results=None, control=None))
    keys = {"results": where.results_keys, "control": where.control_keys}
    assert keys.pop(plain) is None
    assert None not in keys.values()
