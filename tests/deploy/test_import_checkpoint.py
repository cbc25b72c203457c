"""`phenostream import-checkpoint`: what it prints, and one line with the right exit code for all that can be wrong."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.deploy.cli.main import BAD_USAGE, FAILED, GOOD, main
from phenostream.engine.bundle import load_bundle

DEMO = Path(__file__).parents[2] / "deploy" / "demo_bundle"


class RunsCode:
    """Pickled, it asks whoever loads it to touch a file."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._canary}",)


def test_without_torch_the_extra_is_named_before_any_file_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("phenostream.deploy.extras.find_spec", lambda name: None)
    assert main(["import-checkpoint", "/nowhere/a.pth", "/nowhere/out"]) == BAD_USAGE
    assert capsys.readouterr().err == (
        "phenostream import-checkpoint: torch is not installed: pip install 'phenostream[trainer]'\n"
    )


def _state() -> dict[str, Any]:
    from phenostream.trainer.network.model import HybridNetwork

    state: dict[str, Any] = HybridNetwork().state_dict()
    return state


def _missing(_: Path) -> Any:
    state = _state()
    return {name: value for name, value in state.items() if not name.startswith("fusion.")}


def _stained(_: Path) -> Any:
    import torch

    return _state() | {"cnn.stem.0.weight": torch.zeros(64, 3, 3, 3)}


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "code": (
        lambda canary: {"model_state_dict": _state(), "note": RunsCode(canary)},
        "mentions posix.system; a checkpoint may hold tensors and plain numbers only; nothing was run",
    ),
    "missing": (
        _missing,
        "7 missing tensors: fusion.fusion_weight (2,), fusion.cnn_proj.weight (256, 192), "
        "fusion.cnn_proj.bias (256,) and 4 more",
    ),
    "stained": (_stained, "another architecture: 3 input channels, expected 4, as for stained RGB"),
    "other": (lambda _: [1, 2], "holds no model_state_dict"),
}


@pytest.mark.trainer
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_bad_checkpoint_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, as_json: bool
) -> None:
    torch = pytest.importorskip("torch")
    make, says = BAD[kind]
    canary = tmp_path / "canary"
    torch.save(make(canary), tmp_path / "a.pth")
    words = ["import-checkpoint", str(tmp_path / "a.pth"), str(tmp_path / "out")]
    assert main([*words, *(["--json"] if as_json else [])]) == BAD_USAGE
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith("phenostream import-checkpoint: a.pth: ")
    assert says in line
    if as_json:
        assert json.loads(out)["exit_code"] == BAD_USAGE
    else:
        assert out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pth"]


@pytest.mark.trainer
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["absent.pth", "out"], "absent.pth: cannot be read (No such file or directory)"),
        ([".", "out/b"], "is a folder, expected a checkpoint file"),
        (["absent.pth", "out", "--check", "absent.npz"], "absent.npz: cannot be read"),
        (["absent.pth", "out", "--statistics", "absent.json"], "absent.json: cannot be read"),
        (["absent.pth", "out", "--name", ""], "--name '': allowed 1 to 64"),
        (["absent.pth", "."], ".: holds absent.pth, which replacing it would remove"),
        (["absent.pth"], "the following arguments are required: OUT"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    says: str,
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    assert main(["import-checkpoint", *words]) == BAD_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Export is tested with the trainer; here the demo bundle stands for what it writes."""
    pytest.importorskip("torch")
    from phenostream.trainer.published import imported
    from phenostream.trainer.published.parity import Agreement

    def write(_checkpoint: object, folder: Path, **_: object) -> None:
        shutil.copytree(DEMO, folder)

    def agree(reference: Any, *_: object) -> tuple[Agreement, ...]:
        by = float(reference.marker_z[0, 0])
        return (Agreement("torch", 0.0, 1e-7), Agreement("openvino", 2e-6, by))

    monkeypatch.setattr(imported, "write_bundle", write)
    monkeypatch.setattr(imported, "compare", agree)


def _reference(path: Path, marker_z: float) -> str:
    np.savez(
        path,
        x=np.zeros((1, 4, 28, 28)),
        class_logits=np.zeros((1, 3)),
        marker_z=np.full((1, 4), marker_z),
    )
    return str(path)


@pytest.mark.trainer
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("as_json", [False, True])
def test_a_good_check_writes_the_bundle_and_says_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    torch = pytest.importorskip("torch")
    torch.save(_state(), tmp_path / "a.pth")
    words = ["import-checkpoint", str(tmp_path / "a.pth"), str(tmp_path / "out"), "--check"]
    words.append(_reference(tmp_path / "r.npz", 9e-5))
    assert main([*words, *(["--json"] if as_json else [])]) == GOOD
    out, err = capsys.readouterr()
    assert err == ""
    bundle = load_bundle(tmp_path / "out")
    if as_json:
        said = json.loads(out)
        assert (said["good"], said["sha256"], said["parameters"]) == (
            True,
            bundle.sha256,
            1_816_244,
        )
        assert said["checks"][1] == {
            "runtime": "openvino",
            "class_logits": 2e-6,
            "marker_z": pytest.approx(9e-5),
            "allowed": 1e-4,
            "good": True,
        }
    else:
        assert "1,816,244 parameters" in out
        assert "openvino" in out
        assert "9.0e-05" in out
        assert "DIFFERS" not in out
        assert "golden self-test passed on openvino" in out


@pytest.mark.trainer
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("as_json", [False, True])
def test_a_failed_check_writes_nothing_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    torch = pytest.importorskip("torch")
    torch.save(_state(), tmp_path / "a.pth")
    words = ["import-checkpoint", str(tmp_path / "a.pth"), str(tmp_path / "out"), "--check"]
    words.append(_reference(tmp_path / "r.npz", 1.1e-4))
    assert main([*words, *(["--json"] if as_json else [])]) == FAILED
    out, err = capsys.readouterr()
    assert err.endswith("the reference is not reproduced; no bundle was written\n")
    assert not (tmp_path / "out").exists()
    if as_json:
        said = json.loads(out)
        assert (said["good"], said["bundle"]) == (False, None)
        assert [one["good"] for one in said["checks"]] == [True, False]
    else:
        assert "DIFFERS" in out
        assert "golden self-test" not in out
