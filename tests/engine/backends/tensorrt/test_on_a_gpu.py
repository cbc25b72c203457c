"""What only a GPU can tell: the real library on a real device gives the golden outputs, and lets go of all it held."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from phenostream.engine.backends.driver import cuda_devices
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.backends.tensorrt.cuda import open_gpu
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import MissingPackage

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(cuda_devices() == 0, reason="no CUDA device"),
]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["tensorrt", "tensorrt_rtx"])
def test_captured_graphs_give_the_golden_outputs_from_several_threads(
    bundle: Bundle, name: str
) -> None:
    crops, golden = bundle.golden.crops, bundle.golden.outputs
    try:
        gpu = open_gpu()
        backend = open_backend(bundle, name, streams=4, max_batch=256, precision="fp16")
    except MissingPackage as err:
        pytest.skip(str(err))
    with gpu.current():
        held = gpu.free_bytes()

    def infer(count: int) -> float:
        found = backend.infer(crops.images[:count], crops.background[:count])
        return max(
            float(np.abs(getattr(found, output) - getattr(golden, output)[:count]).max())
            for output in ("class_logits", "marker_z")
        )

    with ThreadPoolExecutor(8) as pool:
        worst = max(pool.map(infer, [1 + number % len(crops) for number in range(200)]))
    assert worst <= 5e-3
    backend.close()
    with gpu.current():
        assert gpu.free_bytes() > held
    gpu.close()
