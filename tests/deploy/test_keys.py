"""`phenostream keys`: what it makes, what it says, and that it never says a secret."""

import json
import shutil
from pathlib import Path

import pytest

from phenostream.daemon.security.keys import ClientKeys, KeyPair
from phenostream.deploy.bundles import demo_bundle
from phenostream.deploy.cli.main import BAD_USAGE, GOOD, main


def test_keys_are_made_handed_over_and_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["keys", "server", "keys"]) == GOOD
    named = ["keys", "client", "keys", "--name", "scope-1", "--role", "source"]
    assert main(named) == GOOD
    assert main([*named[:3], "--name", "ops", "--role", "operator", "--out", "o", "--json"]) == GOOD
    assert main(["keys", "list", "keys"]) == GOOD
    said = capsys.readouterr().out
    pairs = [
        KeyPair.read(Path("keys"), "server.key"),
        ClientKeys.read(Path("scope-1.keys")).pair,
        ClientKeys.read(Path("o")).pair,
    ]
    for pair in pairs:
        assert pair.public.decode() in said
        assert pair.secret.decode() not in said
    assert main(["keys", "list", "keys", "--json"]) == GOOD
    listed = json.loads(capsys.readouterr().out)
    assert listed["server"] == pairs[0].public.decode()
    assert [(one["role"], one["name"]) for one in listed["allowed"]] == [
        ("source", "scope-1"),
        ("operator", "ops"),
    ]
    assert main(named) == BAD_USAGE
    assert "never overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["client", "none", "--name", "a", "--role", "source"], "keys server DIR"),
        (["client", "none", "--name", "a/b", "--role", "source"], "letters, digits"),
        (["client", "none", "--name", "a", "--role", "king"], "king"),
        (["list", "none"], "no such file"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", *words]) == BAD_USAGE
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "command", [["simulate"], ["watch"], ["status"], ["quarantine", "replay", "."]]
)
def test_keys_that_cannot_be_read_are_told_before_anything_is_sent(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--keys", str(tmp_path)]) == BAD_USAGE
    assert f"{tmp_path}/client.key: no such file" in capsys.readouterr().err


def test_a_bundle_is_signed_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(demo_bundle(), "bundle")
    assert main(["keys", "signing", "keys", "--name", "lab", "--json"]) == GOOD
    made = json.loads(capsys.readouterr().out)
    assert (made["public_file"], made["name"]) == ("keys/lab.pub", "lab")
    assert main(["info", "bundle"]) == GOOD
    assert "\nunsigned\n" in capsys.readouterr().out
    assert main(["keys", "sign", "--bundle", "bundle", "--key", made["secret_file"]]) == GOOD
    assert f"signed by key {made['fingerprint']}" in capsys.readouterr().out
    assert main(["info", "bundle", "--json"]) == GOOD
    assert json.loads(capsys.readouterr().out)["signed_by"] == made["fingerprint"]
    assert main(["keys", "sign", "--bundle", "bundle", "--key", "keys/lab.pub"]) == BAD_USAGE
    err = capsys.readouterr().err
    assert err.startswith("phenostream keys: keys/lab.pub: mode 0644 lets others at a secret")
    assert err.count("\n") == 1
