"""What is measured: every core is used, what was configured is all that is tried."""

import pytest

from phenostream.daemon.tuning import plan as plan_module
from phenostream.daemon.tuning.plan import CPU_BATCHES, GPU_BATCHES, Plan, auto_backends
from phenostream.engine.backends.registry import AUTO_ORDER, BACKENDS, PRECISIONS


@pytest.mark.parametrize(
    ("cores", "layouts"),
    [
        (1, [(1, 1)]),
        (2, [(2, 2), (1, 2)]),
        (6, [(6, 6), (3, 6), (1, 6)]),
        (7, [(7, 7), (3, 6), (1, 7)]),
        (48, [(48, 48), (24, 48), (12, 48), (1, 48)]),
        (512, [(64, 256), (32, 256), (16, 256), (1, 256)]),
    ],
)
def test_all_cores_are_busy_in_ever_fewer_calls(cores: int, layouts: list[tuple[int, int]]) -> None:
    plan = Plan(("openvino",), cores=cores)
    assert plan.layouts("openvino") == layouts
    assert all(threads % streams == 0 for streams, threads in layouts)


def test_what_was_configured_is_all_that_is_tried() -> None:
    plan = Plan(("openvino", "onnxruntime"), streams=3, max_batch=20, precision="fp32", cores=8)
    assert plan.layouts("openvino") == [(3, 8)]
    assert plan.batches("torch") == (20,)
    assert plan.rows() == [("openvino", "fp32"), ("onnxruntime", "fp32")]
    assert plan.usual("openvino") == (3, 20)


def test_what_a_daemon_does_by_itself_is_among_what_is_tried() -> None:
    plan = Plan(("openvino",), cores=6)
    usual = plan.usual("openvino")
    assert usual == (6, 32)
    assert usual in [(s, b) for s, _ in plan.layouts("openvino") for b in plan.batches("openvino")]
    assert plan.usual("torch") is None


def test_a_gpu_gets_larger_batches_and_fewer_streams() -> None:
    plan = Plan(("torch",), cores=64)
    assert plan.batches("torch") == GPU_BATCHES
    assert plan.batches("onnxruntime") == CPU_BATCHES
    assert plan.layouts("torch") == [(2, 2), (4, 4)]


def test_every_row_that_may_be_chosen_has_something_to_measure() -> None:
    assert set(PRECISIONS) == set(BACKENDS)
    assert all(Plan((name,), cores=2).rows() for name in AUTO_ORDER)


def test_a_row_that_needs_a_device_is_left_out_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan_module, "cuda_devices", lambda: 0)
    assert auto_backends() == ("openvino", "onnxruntime")
    monkeypatch.setattr(plan_module, "cuda_devices", lambda: 1)
    assert "torch" in auto_backends()
