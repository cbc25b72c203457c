"""A box with a virtual GPU and a virtual library, in which the backend opens as it would on a real one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from phenostream.engine.backends.driver import DeviceFacts
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.backends.tensorrt import backend as module
from phenostream.engine.backends.tensorrt.backend import TensorRtBackend
from phenostream.engine.backends.tensorrt.build import BuildSettings
from phenostream.engine.backends.tensorrt.profile import profiles_of
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import MissingPackage
from phenostream.engine.types import F32, OUTPUT_SHAPES, Outputs
from tests.engine.backends.tensorrt.virtual_gpu import VirtualGpu
from tests.engine.backends.tensorrt.virtual_plan import VirtualPlan
from tests.engine.backends.tensorrt.virtual_trt import Compute, Faulty, virtual_library

DEVICE = DeviceFacts("virtual", "9.0", "580.159.04", 1 << 30)


@dataclass
class VirtualBox:
    """What is in the box; `install` has the backend find it.

    Attributes:
        compute: What plans compute; `golden_or_fake` gives the golden outputs for golden crops.
        plan: Instead of the one that the settings ask for.
        faulty: Engines and contexts in which a fault is planted.
        settings: Of the plans that were asked for, in order.
    """

    gpu: VirtualGpu = field(default_factory=VirtualGpu)
    name: str = "tensorrt"
    compute: Compute | None = None
    plan: VirtualPlan | bytes | None = None
    faulty: Faulty | None = None
    settings: list[BuildSettings] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> "VirtualBox":
        library = virtual_library(self.gpu, self.compute or fake_outputs, self.name, self.faulty)

        def imported(name: str) -> object:
            if name != self.name:
                raise MissingPackage(f"{name} is not installed: pip install 'phenostream[gpu]'")
            return library

        def obtained(bundle: Bundle, library: object, settings: BuildSettings, *_: object) -> bytes:
            self.settings.append(settings)
            if isinstance(self.plan, bytes):
                return self.plan
            return (self.plan or self.plan_for(settings)).content

        monkeypatch.setattr(module, "cuda_devices", lambda: 1)
        monkeypatch.setattr(module, "device_facts", lambda: DEVICE)
        monkeypatch.setattr(module, "open_gpu", lambda extra: self.gpu)
        monkeypatch.setattr(module, "import_library", imported)
        monkeypatch.setattr(module, "obtained_plan", obtained)
        return self

    def plan_for(self, settings: BuildSettings) -> VirtualPlan:
        """A plan with the profiles that the library would give it."""
        library = virtual_library(self.gpu, fake_outputs, self.name)
        profiles = profiles_of(library, settings.buckets)
        return VirtualPlan(tuple((each.least, each.best, each.most) for each in profiles))

    def open(self, bundle: Bundle, streams: int = 2, max_batch: int = 32) -> TensorRtBackend:
        return module.open_tensorrt(self.name, bundle, BackendOptions(streams, streams, max_batch))


def fake_outputs(images: F32, background: F32) -> Mapping[str, F32]:
    """A function of each crop that no two outputs have in common."""
    with np.errstate(all="ignore"):  # rows that nobody wrote are no numbers
        outputs = FakeBackend().infer(images, background)
    columns: dict[str, F32] = {name: getattr(outputs, name) for name in OUTPUT_SHAPES}
    columns["reject_probability"] = columns["ood_score"] * np.float32(0.5)
    return columns


def golden_or_fake(bundle: Bundle) -> Compute:
    """The golden outputs for golden crops, to the last bit; `fake_outputs` for others."""
    crops, golden = bundle.golden.crops, bundle.golden.outputs
    rows = {image.tobytes(): row for row, image in enumerate(crops.images)}

    def compute(images: F32, background: F32) -> Mapping[str, F32]:
        columns = {
            name: np.array(column) for name, column in fake_outputs(images, background).items()
        }
        for place, image in enumerate(images):
            row = rows.get(image.tobytes())
            if row is not None and np.array_equal(background[place], crops.background[row]):
                for name, column in columns.items():
                    column[place] = getattr(golden, name)[row]
        return columns

    return compute


def some_crops(count: int, seed: int = 6) -> tuple[F32, F32]:
    """Crops that all differ."""
    random = np.random.default_rng(seed)
    images = random.uniform(0.2, 0.6, (count, 4, 28, 28)).astype(np.float32)
    return images, random.uniform(0.3, 0.5, (count, 4)).astype(np.float32)


def expected(images: F32, background: F32) -> Outputs:
    """What the fake function says of crops."""
    columns = fake_outputs(images, background)
    return Outputs(*(columns[name] for name in OUTPUT_SHAPES))


def assert_same(found: Outputs, wanted: Outputs, tolerance: float = 0.0) -> None:
    """Every output of every crop, to the last bit or within a tolerance."""
    for name in OUTPUT_SHAPES:
        np.testing.assert_allclose(
            getattr(found, name),
            getattr(wanted, name),
            rtol=tolerance,
            atol=tolerance,
            err_msg=name,
        )
