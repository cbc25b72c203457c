from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.errors import BadConfig  # noqa: E402
from phenostream.trainer.training import precision  # noqa: E402
from phenostream.trainer.training.precision import choose, multiplies_bfloat16  # noqa: E402
from phenostream.trainer.training.settings import TrainSettings  # noqa: E402


def settings(**changed: Any) -> TrainSettings:
    return TrainSettings.model_validate({"out": Path("nowhere"), **changed})


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with one GPU of bfloat16, as far as the choice goes."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    return monkeypatch


@pytest.mark.parametrize(("native", "narrow"), [(True, torch.bfloat16), (False, None)])
def test_a_cpu_computes_narrowly_only_where_that_is_native(
    native: bool, narrow: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: native)
    assert choose(settings(device="cpu")).narrow == narrow
    assert choose(settings(device="cpu", precision="bf16")).narrow == torch.bfloat16


def test_a_gpu_computes_in_bfloat16_or_else_in_float16_with_a_scaler(
    gpu: pytest.MonkeyPatch,
) -> None:
    assert choose(settings()).narrow == torch.bfloat16
    gpu.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert choose(settings()) == precision.Precision(torch.device("cuda", 0), torch.float16)
    with pytest.raises(BadConfig, match="bf16: this GPU has none; allowed fp16, fp32"):
        choose(settings(precision="bf16"))


def test_a_gpu_that_is_not_there_is_refused(gpu: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadConfig, match="device cuda: process 1 found 1 GPUs"):
        choose(settings(device="cuda"), process=1)
    gpu.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose(settings()).device.type == "cpu"


def test_only_float16_needs_its_gradients_scaled() -> None:
    assert choose(settings(device="cpu", precision="fp16")).scaler().is_enabled()
    assert not choose(settings(device="cpu", precision="bf16")).scaler().is_enabled()


@pytest.mark.parametrize("flag", ["amx_bf16", "avx512_bf16"])
def test_bfloat16_is_read_from_the_flags_of_the_cpu(tmp_path: Path, flag: str) -> None:
    (tmp_path / "with").write_text(f"flags : avx2 {flag} f16c\n")
    (tmp_path / "without").write_text("flags : avx2 avx512_vnni\n")
    assert multiplies_bfloat16(tmp_path / "with")
    assert not multiplies_bfloat16(tmp_path / "without")
    assert not multiplies_bfloat16(tmp_path / "absent")
