"""The real runtimes on the demo bundle: golden outputs, independence of the batch, and honest refusals."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from phenostream.engine.backends import registry
from phenostream.engine.backends.checked import LOGIT_TOLERANCE, self_test
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.backends.registry import AUTO_ORDER, open_backend
from phenostream.engine.bundle import Bundle, Golden, load_bundle
from phenostream.engine.errors import BadBundle, BadConfig, EngineFault, MissingPackage
from phenostream.engine.manifest import GoldenTolerance, Precision
from phenostream.engine.types import OUTPUT_SHAPES, Outputs

DEMO = Path(__file__).parents[3] / "deploy" / "demo_bundle"
ROWS: list[tuple[str, Precision]] = [
    ("onnxruntime", "fp32"),
    ("onnxruntime", "fp16"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(DEMO)


@pytest.fixture(scope="module", params=ROWS, ids=["-".join(row) for row in ROWS])
def backend(request: pytest.FixtureRequest, bundle: Bundle) -> Backend:
    name, precision = request.param
    return open_backend(bundle, name, streams=2, max_batch=64, precision=precision)


def infer(backend: Backend, bundle: Bundle, rows: slice) -> Outputs:
    crops = bundle.golden.crops
    return backend.infer(crops.images[rows], crops.background[rows])


def test_every_runtime_gives_the_golden_outputs(backend: Backend, bundle: Bundle) -> None:
    assert self_test(backend, bundle) <= LOGIT_TOLERANCE[backend.precision]


def test_all_outputs_of_a_float32_runtime_are_the_golden_ones(bundle: Bundle) -> None:
    for name in ("onnxruntime", "openvino"):
        found = infer(open_backend(bundle, name, precision="fp32"), bundle, slice(None))
        for column in OUTPUT_SHAPES:
            expected = getattr(bundle.golden.outputs, column)
            np.testing.assert_allclose(getattr(found, column), expected, rtol=1e-4, atol=1e-4)


def test_a_cell_gets_the_same_bits_in_a_batch_of_any_size(backend: Backend, bundle: Bundle) -> None:
    whole = infer(backend, bundle, slice(None))
    for rows in (slice(0, 1), slice(3, 10), slice(5, 21)):
        part = infer(backend, bundle, rows)
        for name in OUTPUT_SHAPES:
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows])


def test_outputs_are_not_overwritten_by_the_next_call(backend: Backend, bundle: Bundle) -> None:
    first = infer(backend, bundle, slice(0, 4))
    kept = first.feature.copy()
    for _ in range(3):
        infer(backend, bundle, slice(4, 8))
    np.testing.assert_array_equal(first.feature, kept)


def test_crops_may_be_a_view_that_cannot_be_written_to(backend: Backend, bundle: Bundle) -> None:
    crops = bundle.golden.crops
    images, background = crops.images.copy()[::2], crops.background.copy()[::2]
    images.setflags(write=False)
    background.setflags(write=False)
    whole = infer(backend, bundle, slice(None))
    found = backend.infer(images, background)
    np.testing.assert_array_equal(found.marker_z, whole.marker_z[::2])


def test_more_callers_than_streams_all_get_their_own_cells(
    backend: Backend, bundle: Bundle
) -> None:
    whole = infer(backend, bundle, slice(None))
    count = len(bundle.golden.crops)
    wrong: list[int] = []

    def call(index: int) -> None:
        for _ in range(4):
            part = infer(backend, bundle, slice(index, index + 1))
            if not np.array_equal(part.class_logits, whole.class_logits[index : index + 1]):
                wrong.append(index)

    threads = [Thread(target=call, args=(index,)) for index in range(min(6, count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


def test_a_dark_crop_and_a_saturated_one_stay_finite(backend: Backend) -> None:
    images = np.stack([np.zeros((4, 28, 28)), np.ones((4, 28, 28))]).astype(np.float32)
    for level in (0.0, 1.0):
        outputs = backend.infer(images, np.full((2, 4), level, np.float32))
        assert np.isfinite(outputs.marker_interval).all()


def test_auto_takes_the_first_row_that_works(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "cuda_devices", lambda: 0)
    assert open_backend(bundle, streams=1).name == "openvino"
    assert AUTO_ORDER == ("tensorrt", "tensorrt_rtx", "torch", "openvino", "onnxruntime")


def test_auto_on_a_gpu_box_tries_torch_and_does_without_it(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(registry, "cuda_devices", lambda: 1)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "phenostream.engine.backends.torch.backend", raising=False)
    assert open_backend(bundle, streams=1).name == "openvino"
    assert "backend torch passed over: torch is not installed: pip install" in caplog.text


def test_auto_passes_over_a_missing_package(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert open_backend(bundle, streams=1).name == "onnxruntime"
    with pytest.raises(MissingPackage, match="openvino is not installed: pip install phenostream"):
        open_backend(bundle, "openvino")


def test_opening_a_backend_neither_reports_home_nor_writes_there(tmp_path: Path) -> None:
    code = """
import socket, sys
from pathlib import Path
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import load_bundle
lazy = {"openvino", "onnxruntime", "torch"} & set(sys.modules)
def refuse(*args, **kwargs):
    raise SystemExit("a socket was opened")
socket.socket.connect = socket.getaddrinfo = refuse
open_backend(load_bundle(Path(sys.argv[1])), "openvino", streams=1)
open_backend(load_bundle(Path(sys.argv[1])), "onnxruntime", streams=1)
print(sorted(lazy), sys.modules["openvino_telemetry"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(DEMO)],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[] None\n", "")
    assert not list(tmp_path.iterdir())


def shifted(bundle: Bundle, by: float) -> Bundle:
    outputs = replace(
        bundle.golden.outputs, marker_z=bundle.golden.outputs.marker_z + np.float32(by)
    )
    return replace(bundle, golden=Golden(bundle.golden.crops, outputs))


def test_a_precision_that_was_not_asked_for_gives_way_to_float32(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    """The limit of bf16 is pulled below what bf16 can do; float32 keeps its own."""
    strict = GoldenTolerance(tolerance=dict.fromkeys(OUTPUT_SHAPES, 1e-7))
    golden = {**bundle.manifest.golden, "bf16": strict}
    altered = replace(bundle, manifest=bundle.manifest.model_copy(update={"golden": golden}))
    native = open_backend(bundle, "openvino", streams=1).precision
    backend = open_backend(altered, streams=1)
    assert (backend.name, backend.precision) == ("openvino", "fp32")
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    if native == "bf16":
        assert len(warned) == 1
        assert warned[0].startswith("backend openvino: ")
        assert warned[0].endswith("; fp32 instead")
    with pytest.raises(BadBundle, match="on openvino bf16, allowed"):
        open_backend(altered, "openvino", streams=1, precision="bf16")


@pytest.mark.parametrize(("name", "precision"), ROWS)
def test_golden_outputs_out_of_tolerance_are_refused(
    bundle: Bundle, name: str, precision: Precision
) -> None:
    altered = shifted(bundle, 3 * LOGIT_TOLERANCE[precision])
    with pytest.raises(
        BadBundle, match=rf"golden marker_z differs by .* on {name} {precision}, allowed"
    ):
        open_backend(altered, name, precision=precision)


def test_auto_refuses_a_bundle_that_no_runtime_reproduces(bundle: Bundle) -> None:
    with pytest.raises(
        BadBundle, match=r"^no backend gives the golden outputs: .*openvino.*onnxruntime"
    ):
        open_backend(shifted(bundle, 1.0))


def test_a_manifest_cannot_widen_the_tolerance_of_the_logits(bundle: Bundle) -> None:
    wide = {
        key: value.model_copy(update={"tolerance": {"marker_z": 9.0}})
        for key, value in bundle.manifest.golden.items()
    }
    manifest = bundle.manifest.model_copy(update={"golden": wide})
    with pytest.raises(BadBundle, match="golden marker_z differs"):
        open_backend(replace(shifted(bundle, 0.5), manifest=manifest), "onnxruntime")


def test_a_model_that_the_runtime_cannot_load_is_a_fault(bundle: Bundle) -> None:
    broken = replace(bundle, files={**bundle.files, "model.onnx": b"\x08\x0a"})
    for name in ("onnxruntime", "openvino"):
        with pytest.raises(EngineFault, match=rf"^{name}: cannot load the model: "):
            open_backend(broken, name)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("quick", {}, r"^backend: 'quick' is not known, allowed auto, "),
        ("fake", {"streams": 0}, r"^streams: 0 is out of range, allowed 1 to 64$"),
        ("fake", {"max_batch": 5000}, r"^max_batch: 5000 is out of range, allowed 1 to 4096$"),
        ("fake", {"streams": 4, "threads": 2}, r"^threads: 2 is out of range, allowed 4 to 256$"),
        (
            "onnxruntime",
            {"precision": "bf16"},
            r"precision 'bf16' is not available, allowed fp32, fp16, int8$",
        ),
        (
            "openvino",
            {"precision": "fp16"},
            r"precision 'fp16' is not available, allowed fp32, bf16, int8$",
        ),
    ],
)
def test_impossible_options_are_refused_with_the_allowed_range(
    bundle: Bundle, name: str, options: dict[str, int], says: str
) -> None:
    with pytest.raises(BadConfig, match=says):
        open_backend(bundle, name, **options)  # type: ignore[arg-type]  # a table of cases


def test_a_closed_backend_says_that_it_is_closed(bundle: Bundle) -> None:
    for name in ("onnxruntime", "openvino"):
        backend = open_backend(bundle, name, streams=1)
        backend.close()
        backend.close()
        with pytest.raises(EngineFault, match="used after close"):
            infer(backend, bundle, slice(0, 1))
