"""Facts of a device come from the driver's own answers, and a driver that does not answer is a fault."""

import ctypes
from collections.abc import Callable
from typing import Any

import pytest

from phenostream.engine.backends.driver import DeviceFacts, cuda_devices, device_facts
from phenostream.engine.errors import EngineFault

ATTRIBUTES = {75: 9, 76: 0}


class FakeDriver:
    """The calls of libcuda and libnvidia-ml that are made, each with the address it writes to."""

    def __init__(self, devices: int = 1, *, broken: str = "", management: bool = True) -> None:
        self._devices, self._broken, self._management = devices, broken, management

    def library(self, name: str) -> "FakeDriver":
        if name == "libnvidia-ml.so.1" and not self._management:
            raise OSError(f"{name}: cannot open shared object file")
        return self

    def __getattr__(self, name: str) -> Callable[..., int]:
        answer: Callable[..., None] | None = vars(FakeDriver).get(f"_{name}")

        def call(*arguments: Any) -> int:
            if name == self._broken:
                return 999
            if answer is not None:
                answer(self, *arguments)
            return 0

        return call

    def _cuDeviceGetCount(self, count: Any) -> None:  # noqa: N802  # the driver's names
        count._obj.value = self._devices

    def _cuDeviceGetName(self, name: Any, length: int, device: Any) -> None:  # noqa: N802
        assert length == len(name)
        name.value = b"NVIDIA H100 80GB HBM3"

    def _cuDeviceGetAttribute(self, value: Any, attribute: int, device: Any) -> None:  # noqa: N802
        value._obj.value = ATTRIBUTES[attribute]

    def _cuDeviceTotalMem_v2(self, value: Any, device: Any) -> None:  # noqa: N802
        assert isinstance(value._obj, ctypes.c_size_t)
        value._obj.value = 80 << 30

    def _cuDriverGetVersion(self, version: Any) -> None:  # noqa: N802
        version._obj.value = 13020

    def _nvmlSystemGetDriverVersion(self, version: Any, length: int) -> None:  # noqa: N802
        version.value = b"580.159.04"


def install(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver) -> None:
    monkeypatch.setattr(ctypes, "CDLL", driver.library)


def test_a_device_is_told_by_name_capability_driver_and_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, FakeDriver(devices=2))
    assert cuda_devices() == 2
    assert device_facts() == DeviceFacts("NVIDIA H100 80GB HBM3", "9.0", "580.159.04", 80 << 30)


def test_without_the_management_library_the_driver_says_which_cuda_it_speaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, FakeDriver(management=False))
    assert device_facts().driver_version == "CUDA 13.2"
    install(monkeypatch, FakeDriver(broken="nvmlInit_v2"))
    assert device_facts().driver_version == "CUDA 13.2"


def test_a_device_that_is_not_there_or_does_not_answer_is_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, FakeDriver(devices=1))
    with pytest.raises(EngineFault, match=r"^CUDA device 1: the driver offers 1 devices$"):
        device_facts(1)
    install(monkeypatch, FakeDriver(broken="cuDeviceGetName"))
    with pytest.raises(EngineFault, match=r"^CUDA driver: cuDeviceGetName gave error 999$"):
        device_facts()
    install(monkeypatch, FakeDriver(broken="cuInit"))
    with pytest.raises(EngineFault, match=r"^CUDA device 0: the driver offers 0 devices$"):
        device_facts()
