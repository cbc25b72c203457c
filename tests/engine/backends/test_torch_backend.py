"""torch as a backend: the reference on a CPU, and on a CUDA device (where there is one) the captured graphs."""

import ctypes
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = pytest.mark.trainer

from phenostream.engine.backends import driver  # noqa: E402
from phenostream.engine.backends.registry import open_backend  # noqa: E402
from phenostream.engine.backends.torch import backend as torch_backend  # noqa: E402
from phenostream.engine.backends.torch.replay import batch_sizes  # noqa: E402
from phenostream.engine.bundle import Bundle, load_bundle  # noqa: E402
from phenostream.engine.errors import BadConfig, EngineFault, MissingPackage  # noqa: E402
from phenostream.engine.manifest import Precision  # noqa: E402
from phenostream.engine.types import OUTPUT_SHAPES  # noqa: E402

DEMO = Path(__file__).parents[3] / "deploy" / "demo_bundle"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(DEMO)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_it_passes_the_golden_test(bundle: Bundle, precision: Precision) -> None:
    backend = open_backend(bundle, "torch", streams=2, max_batch=32, precision=precision)
    assert (backend.name, backend.precision) == ("torch", precision)
    backend.close()


def test_a_batch_gives_its_own_rows_whatever_was_there_before(bundle: Bundle) -> None:
    backend = open_backend(bundle, "torch", streams=1, max_batch=32, precision="fp32")
    crops = bundle.golden.crops
    whole = backend.infer(crops.images, crops.background)
    part = backend.infer(crops.images[3:8], crops.background[3:8])
    backend.close()
    for name in OUTPUT_SHAPES:
        np.testing.assert_allclose(
            getattr(part, name), getattr(whole, name)[3:8], rtol=1e-4, atol=1e-4
        )


def test_a_gpu_computes_in_float32_where_a_bundle_has_no_float16(bundle: Bundle) -> None:
    files = {name: data for name, data in bundle.files.items() if name != "model.fp16.onnx"}
    bare = replace(bundle, files=files)
    assert torch_backend.best_precision(bundle, on_gpu=True) == "fp16"
    assert torch_backend.best_precision(bare, on_gpu=True) == "fp32"
    assert torch_backend.best_precision(bundle, on_gpu=False) == "fp32"


def test_it_says_what_it_cannot_do(bundle: Bundle) -> None:
    with pytest.raises(
        BadConfig, match=r"^torch: precision 'int8' is not available, allowed fp32, fp16, bf16$"
    ):
        open_backend(bundle, "torch", precision="int8")
    backend = open_backend(bundle, "torch", streams=1, max_batch=32)
    backend.close()
    backend.close()
    with pytest.raises(EngineFault, match=r"^torch: used after close$"):
        backend.infer(bundle.golden.crops.images, bundle.golden.crops.background)


def test_without_torch_the_extra_is_named(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, torch_backend.__name__)
    with pytest.raises(MissingPackage, match=r"torch is not installed: pip install 'phenostream"):
        open_backend(bundle, "torch")


def test_a_build_without_cuda_does_not_take_a_gpu_box_for_a_cpu(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_backend, "cuda_devices", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineFault, match="cannot use the box's CUDA device"):
        open_backend(bundle, "torch")


def test_without_a_driver_there_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", absent)
    assert driver.cuda_devices() == 0


def test_the_captured_sizes_are_powers_of_two_up_to_the_largest_batch() -> None:
    assert batch_sizes(1) == [1]
    assert batch_sizes(32) == [1, 2, 4, 8, 16, 32]
    assert batch_sizes(100) == [1, 2, 4, 8, 16, 32, 64, 100]


@pytest.mark.gpu
@pytest.mark.skipif(driver.cuda_devices() == 0, reason="no CUDA device")
def test_captured_graphs_give_the_golden_outputs_from_several_threads(bundle: Bundle) -> None:
    from concurrent.futures import ThreadPoolExecutor

    crops, golden = bundle.golden.crops, bundle.golden.outputs
    backend = open_backend(bundle, "torch", streams=4, max_batch=256)

    def infer(count: int) -> float:
        found = backend.infer(crops.images[:count], crops.background[:count])
        return float(np.abs(found.marker_z - golden.marker_z[:count]).max())

    with ThreadPoolExecutor(8) as pool:
        worst = max(pool.map(infer, [1 + number % len(crops) for number in range(200)]))
    backend.close()
    assert (backend.precision, worst <= 5e-3) == ("fp16", True)
