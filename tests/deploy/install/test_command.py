"""`install`, `uninstall` and `bundle-wheels` as they are typed."""

import json
import os
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from phenostream.deploy.child import PROGRAM
from phenostream.deploy.cli.main import main
from phenostream.deploy.install.wheels import file_sha256, own_checkout, own_wheel
from tests.deploy.install.toy_box import toy_wheel


def test_a_tree_is_filled_and_emptied_again_and_told_to_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--root", str(tmp_path / "root"), "--json"]
    assert main(["install", "--units-only", "--instance", "a", "--dry-run", *where]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["good"], told["dry_run"], told["changed"]) == (True, True, True)
    assert {step["state"] for step in told["steps"]} <= {"would do", "left alone"}
    assert not (tmp_path / "root").exists()
    assert main(["install", "--units-only", "--instance", "a", *where]) == 0
    assert "done" in {step["state"] for step in json.loads(capsys.readouterr().out)["steps"]}
    unit = tmp_path / "root/etc/systemd/system/phenostream@.service"
    assert unit.is_file()
    assert main(["install", "--units-only", "--instance", "a", *where]) == 0
    assert not json.loads(capsys.readouterr().out)["changed"]
    assert main(["uninstall", "--instance", "a", *where]) == 0
    assert json.loads(capsys.readouterr().out)["changed"]
    assert not unit.exists()
    assert (tmp_path / "root/etc/phenostream@a/config.toml").is_file()


def test_nothing_to_do_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["install", "--units-only", "--root", str(tmp_path)]) == 0
    assert "nothing to do: everything is so already" in capsys.readouterr().out


def test_whoever_reads_no_further_does_not_stop_it_halfway(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    words = [*PROGRAM, "install", "--units-only", "--root", str(tmp_path)]
    done = subprocess.run(words, stdout=writes, stderr=subprocess.PIPE, check=False)
    os.close(writes)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "etc/phenostream/config.toml").is_file()
    assert (tmp_path / "etc/systemd/system/phenostream.service").is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["install", "--instance", "a/b"], "--instance 'a/b': allowed 1 to 32 letters"),
        (["install", "--listen", "a b"], "--listen 'a b': allowed ipc, or ADDRESS"),
        (["install", "--wheel", "numpy-1-py3-none-any.whl"], "a wheel of numpy"),
        (["install", "--from", "/no/such"], "not a folder of `phenostream bundle-wheels`"),
        (["install", "--rollback"], "--rollback: no release before this one"),
        (["uninstall", "--instance", ".."], "--instance '..': allowed 1 to 32 letters"),
    ],
)
def test_what_is_refused_is_one_line_and_exit_code_2(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--root", str(tmp_path / "root")]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not (tmp_path / "root" / "etc").exists()


def test_a_folder_is_not_mixed_with_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = toy_wheel(tmp_path)
    assert main(["bundle-wheels", str(tmp_path), "--wheel", str(wheel)]) == 2
    assert "not empty, allowed a new folder" in capsys.readouterr().err


class Noted:
    """A distribution as pip left it."""

    def __init__(self, note: object) -> None:
        self._note = note

    def read_text(self, name: str) -> str:
        assert name == "direct_url.json"
        return json.dumps(self._note)


def test_the_wheel_we_came_from_is_found_while_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = toy_wheel(tmp_path)
    note = {
        "url": wheel.as_uri(),
        "archive_info": {"hashes": {"sha256": file_sha256(wheel)}},
    }
    monkeypatch.setattr(metadata, "distribution", lambda name: Noted(note))
    assert own_wheel() == wheel
    assert own_checkout() is None
    toy_wheel(tmp_path, unit="# another\n")
    assert own_wheel() is None
    wheel.unlink()
    assert own_wheel() is None


def test_a_checkout_is_no_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = {"url": tmp_path.as_uri(), "dir_info": {"editable": True}}
    monkeypatch.setattr(metadata, "distribution", lambda name: Noted(note))
    assert own_wheel() is None
    assert own_checkout() == tmp_path
