"""`phenostream build-engine`: what is built, where it goes, and every refusal in one line."""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx has no wheel for this machine")

from phenostream.daemon.engine_cache import opened_cache
from phenostream.deploy.cli import build_engine
from phenostream.deploy.cli.main import BAD_USAGE, FAILED, GOOD, TERMINATED, main
from phenostream.engine.backends.tensorrt.build import BuildSettings

DEMO = Path(__file__).parents[2] / "deploy" / "demo_bundle"
SMALL = ("--library", "tensorrt_rtx", "--batch-buckets", "1,8")
Capture = pytest.CaptureFixture[str]


def build(*words: object) -> int:
    return main(["build-engine", "--bundle", "demo", *map(str, words)])


def built(capsys: Capture, *words: object) -> dict[str, Any]:
    assert build(*words, "--json") == GOOD
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def refused(capsys: Capture, code: int, *words: object) -> str:
    assert build(*words) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err.removeprefix("phenostream build-engine: ").rstrip()


def test_a_plan_is_built_once_then_kept_and_handed_on_and_taken(
    capsys: Capture, tmp_path: Path
) -> None:
    cache, file = tmp_path / "engines", tmp_path / "demo.plan"
    first = built(capsys, "--library", "tensorrt_rtx", "--cache", cache, "--out", file)
    assert (first["origin"], first["daemon_uses_it"], first["precision"]) == ("built", True, "fp16")
    assert first["buckets"] == list(BuildSettings().buckets)
    assert first["facts"]["gpu"] == "any"
    again = built(capsys, "--library", "tensorrt_rtx", "--cache", cache)
    assert (again["origin"], again["bytes"]) == ("kept", first["bytes"])

    elsewhere = tmp_path / "elsewhere"
    taken = built(capsys, "--library", "tensorrt_rtx", "--cache", elsewhere, "--take", file)
    assert (taken["origin"], taken["bytes"]) == ("taken", first["bytes"])
    assert built(capsys, "--library", "tensorrt_rtx", "--cache", elsewhere)["origin"] == "kept"

    said = refused(capsys, BAD_USAGE, *SMALL, "--cache", elsewhere, "--take", file)
    assert said == f"{file}: not a plan for this: buckets '1,8,32,128,512,1024', here '1,8'"
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    said = refused(
        capsys, BAD_USAGE, "--library", "tensorrt_rtx", "--cache", elsewhere, "--take", file
    )
    assert said.startswith(f"{file}: cut short or longer: a plan of ")


def test_a_person_reads_what_it_is_and_that_it_went_nowhere(capsys: Capture) -> None:
    assert build(*SMALL) == GOOD
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("tensorrt_rtx ")
    assert ": model.fp16.onnx of phenostream-demo " in first
    assert "buckets 1,8, " in second
    assert second.endswith("; not run")
    assert third.startswith("kept nowhere: ")


def test_a_plan_that_the_daemon_will_not_look_for_says_so(capsys: Capture, tmp_path: Path) -> None:
    assert build(*SMALL, "--cache", tmp_path / "engines") == GOOD
    assert "a daemon will not use it: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--take", "x.plan"), "--take: needs --cache, the folder to put it into"),
        (("--batch-buckets", "1,a"), "--batch-buckets 1,a: allowed whole numbers, as in 1,8,32"),
        (("--batch-buckets", "8,1"), "batch buckets: 8,1: allowed in rising order, each once"),
        (("--workspace", "1"), "workspace: 1 MiB is out of range, allowed 16 to 65536"),
        (("--out", "/nowhere/x.plan"), "--out /nowhere/x.plan: there is no folder /nowhere"),
        (
            ("--hardware-compatible",),
            "tensorrt_rtx: hardware compatible: not allowed; its plans run on every GPU it knows",
        ),
        (
            ("--version-compatible",),
            "tensorrt_rtx: version compatible: not allowed; it has no lean runtime",
        ),
    ],
)
def test_what_is_not_allowed_is_one_line(
    words: tuple[str, ...], says: str, capsys: Capture
) -> None:
    assert refused(capsys, BAD_USAGE, "--library", "tensorrt_rtx", *words) == says


def test_tensorrt_that_is_not_installed_names_its_extra(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    said = refused(capsys, BAD_USAGE, "--library", "tensorrt")
    assert said.startswith("tensorrt is not installed: pip install 'phenostream[gpu]'")
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    assert refused(capsys, BAD_USAGE).startswith("neither tensorrt nor tensorrt_rtx is installed: ")


def test_a_folder_that_others_may_use_is_no_cache(capsys: Capture, tmp_path: Path) -> None:
    open_to_all = tmp_path / "engines"
    open_to_all.mkdir()
    open_to_all.chmod(0o755)
    said = refused(capsys, BAD_USAGE, *SMALL, "--cache", open_to_all)
    assert said == f"--cache: engine cache: {open_to_all}: mode 0755, allowed 0700 or stricter"


@pytest.mark.parametrize("at", [0.0, 0.5])
def test_a_signal_stops_a_build_and_nothing_is_kept(
    at: float, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = build_engine._Shown.building
    seen: list[float] = []

    def building(self: build_engine._Shown, phase: str, share: float) -> None:
        shown(self, phase, share)
        seen.append(share)
        if share >= at and len(seen) < 1000:
            seen.extend([share] * 1000)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(build_engine._Shown, "building", building)
    cache = tmp_path / "engines"
    assert build("--library", "tensorrt_rtx", "--cache", cache) == TERMINATED
    assert capfd.readouterr().err == "phenostream build-engine: terminated\n"
    assert seen[-1] < 1.0
    assert [path.name for path in cache.iterdir()] == [".building.lock"]


def test_a_signal_ends_the_waiting_for_another_builder(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = opened_cache(tmp_path / "engines")
    assert cache is not None
    monkeypatch.setattr(
        build_engine._Shown, "waiting", lambda _self: os.kill(os.getpid(), signal.SIGTERM)
    )
    with cache.alone():
        assert build(*SMALL, "--cache", cache.directory) == TERMINATED
        (waits,) = [thread for thread in threading.enumerate() if thread.name == "build-engine"]
    waits.join(30)
    assert capfd.readouterr().err == "phenostream build-engine: terminated\n"
    assert [path.name for path in cache.directory.iterdir()] == [".building.lock"]


def test_a_disk_without_space_is_one_line_and_leaves_no_file(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    cache, file = tmp_path / "engines", tmp_path / "demo.plan"
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        said = refused(capsys, BAD_USAGE, *SMALL, "--out", file)
        assert said == f"{file}: cannot be written (no space left on device)"
        said = refused(capsys, FAILED, *SMALL, "--cache", cache)
        assert said.endswith(".engine: not kept: No space left on device")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["engines.key"]
    assert [path.name for path in cache.iterdir()] == [".building.lock"]
