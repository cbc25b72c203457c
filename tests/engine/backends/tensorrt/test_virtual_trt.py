"""The stand-in promises nothing that the real library lacks: every name it has, and every one that the backend uses."""

from typing import Any

import pytest

from tests.engine.backends.tensorrt import virtual_trt
from tests.engine.backends.tensorrt.virtual_plan import DataType
from tests.engine.backends.tensorrt.virtual_trt import (
    AllocationStrategy,
    CudaGraphStrategy,
    Severity,
    Specialization,
    TensorIOMode,
    TensorLocation,
    VirtualContext,
    VirtualEngine,
    VirtualKernels,
    VirtualRuntime,
)

trt: Any = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is for x86-64")
OUR_OWN = {"plan", "logger", "box", "token", "known", "use"}
"""Attributes of the stand-in that are for the tests."""


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (VirtualRuntime, "Runtime"),
        (VirtualEngine, "ICudaEngine"),
        (VirtualContext, "IExecutionContext"),
        (VirtualKernels, "IRuntimeCache"),
        (virtual_trt._RuntimeConfig, "IRuntimeConfig"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_call_is_one_of_the_real_library(ours: type, theirs: str) -> None:
    names = {name for name in dir(ours) if not name.startswith("_")} - OUR_OWN
    assert names
    assert names <= set(dir(getattr(trt, theirs)))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (AllocationStrategy, "ExecutionContextAllocationStrategy"),
        (Specialization, "DynamicShapesKernelSpecializationStrategy"),
        (CudaGraphStrategy, "CudaGraphStrategy"),
        (TensorIOMode, "TensorIOMode"),
        (TensorLocation, "TensorLocation"),
        (DataType, "DataType"),
        (Severity, "Logger.Severity"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_choice_is_one_of_the_real_library(ours: Any, theirs: str) -> None:
    real = trt
    for part in theirs.split("."):
        real = getattr(real, part)
    assert {choice.name for choice in ours} <= set(real.__members__)
    assert trt.float32 == trt.DataType.FLOAT
    assert trt.float16 == trt.DataType.HALF


def test_settings_of_a_runtime_can_be_written_to() -> None:
    for name in ("dynamic_shapes_kernel_specialization_strategy", "cuda_graph_strategy"):
        assert getattr(trt.IRuntimeConfig, name).fset is not None
        assert hasattr(virtual_trt._RuntimeConfig(), name)
