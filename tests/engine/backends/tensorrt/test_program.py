"""A plan is run only if its tensors and batch sizes are the graph's, and every answer of the library is looked at."""

import pytest

from phenostream.engine.backends.tensorrt.library import import_library
from phenostream.engine.backends.tensorrt.program import Program
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import EngineFault
from tests.engine.backends.tensorrt.virtual_box import (
    VirtualBox,
    fake_outputs,
)
from tests.engine.backends.tensorrt.virtual_plan import VirtualPlan
from tests.engine.backends.tensorrt.virtual_trt import Severity, VirtualContext, virtual_library

WIDE = ((1, 8, 32),)


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (b"other", "the plan is refused: .*magicTag mismatch"),
        (VirtualPlan(WIDE, shapes={"marker_z": None}), "the plan lacks marker_z"),
        (VirtualPlan(WIDE, shapes={"images": None}), "the plan lacks images"),
        (
            VirtualPlan(WIDE, shapes={"extra": (2,)}),
            "the plan has, beside the graph's tensors, extra",
        ),
        (
            VirtualPlan(WIDE, shapes={"images": (4, 32, 32)}),
            r"images has shape \(-1, 4, 32, 32\), expected \(N, 4, 28, 28\)",
        ),
        (
            VirtualPlan(WIDE, shapes={"marker_interval": (8,)}),
            r"marker_interval has shape \(-1, 8\), expected \(N, 4, 2\)",
        ),
        (VirtualPlan(WIDE, dtypes={"feature": "BF16"}), "feature is .*BF16.*, allowed float32"),
        (VirtualPlan(WIDE, on_host=("ood_score",)), "ood_score is not in device memory"),
        (VirtualPlan(((1, 4, 8),)), "the plan takes no batch of 32 crops"),
        (VirtualPlan(()), "the plan takes no batch of 1 crops"),
    ],
)
def test_a_plan_that_is_not_the_graphs_is_refused_by_name(
    bundle: Bundle, box: VirtualBox, plan: VirtualPlan | bytes, says: str
) -> None:
    box.plan = plan
    with pytest.raises(EngineFault, match=rf"^tensorrt 11\.4\.0\.106: {says}"):
        box.open(bundle)


def test_the_profile_that_was_made_for_a_batch_is_taken(bundle: Bundle, box: VirtualBox) -> None:
    """The others fit as well; one of them is the narrowest."""
    plan = VirtualPlan(((1, 16, 32), (1, 8, 32), (8, 8, 8), (1, 4, 32), (4, 5, 9)))
    with box.gpu.current():
        program = Program(virtual_library(box.gpu, fake_outputs), plan.content)
        assert [program.profile(bucket) for bucket in (8, 16, 4, 5, 6, 30)] == [2, 0, 3, 4, 4, 0]
        program.close()
    box.gpu.close()


def test_rtx_that_cannot_be_captured_is_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = VirtualPlan(WIDE, capturable=False)
    box = VirtualBox(name="tensorrt_rtx", plan=plan).install(monkeypatch)
    with pytest.raises(EngineFault, match="runs of the plan cannot be captured"):
        box.open(bundle)
    box.gpu.verify()


def test_what_the_library_raises_is_a_fault_of_one_line(
    bundle: Bundle, box: VirtualBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising() -> list[str]:
        raise RuntimeError("shape inference\nfailed")

    monkeypatch.setattr(VirtualContext, "infer_shapes", staticmethod(raising))
    with pytest.raises(EngineFault, match=r"cannot load the plan: shape inference failed$"):
        box.open(bundle)


@pytest.mark.parametrize(
    ("call", "answer", "says"),
    [
        ("infer_shapes", ["images"], "refused shapes without images for 1 crops: no reason given"),
        ("get_tensor_shape", (1, 5), r"class_logits has shape \(1, 5\) for 1 crops"),
        ("set_tensor_address", False, "refused the address of .* for 1 crops"),
        ("execute_async_v3", False, "refused to run for 1 crops"),
        ("set_optimization_profile_async", False, "refused the profile for 1 crops"),
    ],
)
def test_an_answer_of_a_context_that_is_not_as_it_should_be_is_a_fault(
    bundle: Bundle,
    box: VirtualBox,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    answer: object,
    says: str,
) -> None:
    monkeypatch.setattr(VirtualContext, call, lambda *_: answer)
    with pytest.raises(EngineFault, match=rf"^tensorrt 11\.4\.0\.106: {says}"):
        box.open(bundle)


def test_a_refusal_is_explained_by_what_the_library_said_since(box: VirtualBox) -> None:
    with box.gpu.current():
        program = Program(virtual_library(box.gpu, fake_outputs), VirtualPlan(WIDE).content)
        stream = box.gpu.stream()
        program._listener.log(Severity.ERROR, "long ago")
        context = program.context(8, stream)
        program._listener.log(Severity.ERROR, "just now")
        with pytest.raises(EngineFault, match=r"refused to bite for 8 crops: just now$"):
            context._must(False, "to bite")
        context.close()
        program.close()
        stream.close()
    box.gpu.close()


def test_the_real_library_refuses_a_plan_that_is_none_in_its_own_words() -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is for x86-64")
    library = import_library("tensorrt_rtx")
    with pytest.raises(
        EngineFault, match=rf"^tensorrt_rtx {library.version}: the plan is refused: Err"
    ):
        Program(library, b"none")
