"""Of what was measured, the fastest is taken; where that is a matter of luck, what is better otherwise."""

from functools import partial
from typing import Any

import pytest

from phenostream.deploy.bundles import demo_bundle
from phenostream.engine.backends import registry
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.backends.measured import Measured, explained, ranked
from phenostream.engine.backends.options import BackendOptions, Wishes
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.errors import BadBundle, BadConfig


def row(
    backend: str, precision: Any, cells_per_s: float, streams: int = 2, batch: int = 32
) -> Measured:
    return Measured(
        backend,
        precision,
        streams,
        streams,
        batch,
        cells_per_s,
        cells_per_s * 0.9,
        cells_per_s * 1.1,
        1.0,
    )


FAST = row("openvino", "bf16", 2000)
ROWS = (row("onnxruntime", "fp32", 434), FAST, row("openvino", "fp32", 700))


@pytest.mark.parametrize(
    ("rows", "first"),
    [
        (ROWS, FAST),
        ((FAST, row("openvino", "int8", 2080)), FAST),
        ((*ROWS, row("openvino", "int8", 9000)), FAST),
        (
            (row("onnxruntime", "int8", 900), row("openvino", "int8", 2200)),
            row("openvino", "int8", 2200),
        ),
        ((FAST, row("onnxruntime", "fp32", 1950)), row("onnxruntime", "fp32", 1950)),
        ((FAST, row("openvino", "bf16", 2050, batch=128)), FAST),
        ((FAST, row("openvino", "bf16", 1960, batch=16)), row("openvino", "bf16", 1960, batch=16)),
        (
            (FAST, row("openvino", "bf16", 2300, batch=128)),
            row("openvino", "bf16", 2300, batch=128),
        ),
        ((FAST, row("openvino", "bf16", 2050, streams=1)), FAST),
    ],
    ids=[
        "fastest",
        "int8 no faster than chance",
        "int8 faster, which nobody asked for",
        "int8 asked for: nothing else was measured",
        "finer arithmetic",
        "larger batch by chance",
        "smaller batch",
        "larger batch",
        "fewer streams by chance",
    ],
)
def test_the_fastest_is_taken_unless_another_is_as_fast_and_better(
    rows: tuple[Measured, ...], first: Measured
) -> None:
    assert ranked(rows)[0] == first
    assert ranked(reversed(rows))[0] == first


def test_every_backend_and_precision_is_ranked_once() -> None:
    order = ranked((*ROWS, row("openvino", "bf16", 1000, streams=1)))
    assert [(one.backend, one.precision) for one in order] == [
        ("openvino", "bf16"),
        ("openvino", "fp32"),
        ("onnxruntime", "fp32"),
    ]
    assert ranked(()) == ()


@pytest.mark.parametrize(
    ("served", "rows", "said"),
    [
        (
            ("openvino", "bf16"),
            ROWS,
            "openvino bf16, 2 streams of 1 thread, batches of 32: 2,000 cells/s (1,800 to 2,200), "
            "the fastest measured on this box; next openvino fp32 700",
        ),
        (("onnxruntime", "fp32"), ROWS, "although openvino bf16 2,000 was measured on this box"),
        (("torch", "fp32"), ROWS, "torch fp32, which was not measured on this box"),
        (("openvino", "bf16"), (FAST,), "the only one measured on this box"),
        (
            ("openvino", "bf16"),
            (FAST, row("openvino", "int8", 2050)),
            "the finest arithmetic of those as fast on this box; next openvino int8 2,050",
        ),
        (
            ("openvino", "bf16"),
            (*ROWS, row("openvino", "int8", 2600)),
            "; openvino int8 2,600 is taken only where model.precision asks for it",
        ),
    ],
)
def test_the_choice_is_explained(
    served: tuple[str, str], rows: tuple[Measured, ...], said: str
) -> None:
    assert explained(*served, rows).endswith(said)


def test_what_the_caller_fixed_wins_over_what_was_measured() -> None:
    assert Wishes().options(row("openvino", "bf16", 1, streams=3, batch=64)) == BackendOptions(
        3, 3, 64, "bf16"
    )
    fixed = Wishes(streams=1, max_batch=8, precision="fp32")
    assert not fixed.allow(row("openvino", "fp32", 1, streams=2))
    assert not fixed.allow(row("openvino", "bf16", 1, streams=1))
    one = row("openvino", "fp32", 1, streams=1)
    assert fixed.allow(one)
    assert fixed.options(one) == BackendOptions(1, 1, 8, "fp32")
    assert fixed.options() == BackendOptions(1, 1, 8, "fp32")


class _Openings:
    """Stands in for the table: what was opened, and which precisions of which row do not give the golden outputs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *wrong: tuple[str, str]) -> None:
        self.opened: list[tuple[str, str, int, int]] = []
        for name in ("torch", "openvino", "onnxruntime"):
            monkeypatch.setitem(registry.BACKENDS, name, partial(self._fake, name))

        def golden(backend: Any, *_: object) -> float:
            if (backend.name, backend.precision) in wrong:
                raise BadBundle(f"{backend.name} {backend.precision} differs")
            return 0.0

        monkeypatch.setattr(registry, "self_test", golden)
        monkeypatch.setattr(registry, "cuda_devices", lambda: 0)

    def _fake(self, name: str, _bundle: Bundle, options: BackendOptions) -> FakeBackend:
        self.opened.append((name, options.precision or "-", options.streams, options.max_batch))
        made = FakeBackend(streams=options.streams, max_batch=options.max_batch)
        made.name, made.precision = name, options.precision or "fp32"
        return made


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(demo_bundle())


def test_auto_opens_what_was_measured_fastest_as_it_was_measured(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    openings = _Openings(monkeypatch)
    fastest = row("onnxruntime", "fp16", 5000, streams=3, batch=64)
    backend = open_backend(bundle, measured=(*ROWS, fastest))
    assert openings.opened == [("onnxruntime", "fp16", 3, 64)]
    assert (backend.streams, backend.max_batch) == (3, 64)


def test_a_way_that_fails_the_golden_test_gives_way_to_the_next_one(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    openings = _Openings(monkeypatch, ("openvino", "bf16"))
    assert open_backend(bundle, measured=ROWS).precision == "fp32"
    assert [one[:2] for one in openings.opened] == [("openvino", "bf16"), ("openvino", "fp32")]


def test_a_named_backend_takes_its_own_best_way(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    openings = _Openings(monkeypatch, ("openvino", "int8"))
    rows = (*ROWS, row("openvino", "int8", 9000))
    assert open_backend(bundle, "openvino", measured=rows).precision == "bf16"
    assert [one[:2] for one in openings.opened] == [("openvino", "bf16")]
    with pytest.raises(BadBundle, match="openvino int8 differs"):
        open_backend(bundle, "openvino", precision="int8", measured=rows)


def test_a_row_of_a_backend_that_this_box_has_no_device_for_is_not_imported(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    openings = _Openings(monkeypatch)
    open_backend(bundle, measured=(*ROWS, row("torch", "fp16", 200_000)))
    assert [one[0] for one in openings.opened] == ["openvino"]


def test_auto_passes_over_a_row_that_has_no_such_precision(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    openings = _Openings(monkeypatch)

    def refuse(_bundle: Bundle, _options: BackendOptions) -> FakeBackend:
        raise BadConfig("openvino: precision 'fp16' is not available")

    monkeypatch.setitem(registry.BACKENDS, "openvino", refuse)
    assert open_backend(bundle, precision="fp16").name == "onnxruntime"
    assert openings.opened == [("onnxruntime", "fp16", openings.opened[0][2], 256)]
    with pytest.raises(BadConfig):
        open_backend(bundle)
