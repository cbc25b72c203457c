"""A calibration finds the best way of each backend, spends its time on what may be taken, and hides nothing."""

import pytest

from phenostream.daemon.tuning import calibration
from phenostream.daemon.tuning.calibration import ROUNDS, Calibration, OnStep, calibrate
from phenostream.daemon.tuning.plan import Plan
from phenostream.deploy.bundles import demo_bundle
from phenostream.engine.backends.measured import ranked
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.manifest import Precision
from tests.daemon.tuning.scripted import Script, Speed

BF16: tuple[str, Precision] = ("openvino", "bf16")
FP32: tuple[str, Precision] = ("openvino", "fp32")
ORT: tuple[str, Precision] = ("onnxruntime", "fp32")
PLAN = Plan(("openvino", "onnxruntime"), cores=2)


def best_at(streams: int, batch: int, cells_per_s: float) -> Speed:
    """As fast as that there, and slower the farther away."""
    return lambda s, b: cells_per_s / (1 + abs(s - streams) + abs(b - batch) / 16)


SPEEDS = {BF16: best_at(2, 16, 2000), FP32: best_at(1, 16, 700), ORT: best_at(2, 32, 400)}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(demo_bundle())


def calibrated(bundle: Bundle, script: Script, on_step: OnStep = lambda *_: None) -> Calibration:
    return calibrate(bundle, PLAN, script.open_way, budget_s=1.0, on_step=on_step)


def test_the_best_way_of_each_is_found(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    found = calibrated(bundle, Script(monkeypatch, SPEEDS))
    order = ranked(found.rows)
    assert [(row.backend, row.precision, row.streams, row.max_batch) for row in order] == [
        (*BF16, 2, 16),
        (*FP32, 1, 16),
        (*ORT, 2, 32),
    ]
    assert order[0].least <= order[0].cells_per_s <= order[0].most
    assert order[0].batch1_ms == 2.0
    assert {(one.backend, one.precision) for one in found.loaded} == set(SPEEDS)


def test_what_does_not_load_is_named_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    found = calibrated(bundle, Script(monkeypatch, {BF16: SPEEDS[BF16]}))
    reasons = {(one.backend, one.precision): one.reason for one in found.absent}
    assert reasons[ORT] == "onnxruntime is not installed"
    assert set(reasons) == {FP32, ORT, ("openvino", "int8"), ("onnxruntime", "int8")}
    assert {row.precision for row in found.rows} == {"bf16"}


def test_turns_alternate_between_all_ways_and_go_to_what_may_be_taken(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    script = Script(monkeypatch, SPEEDS)
    found = calibrated(bundle, script)
    assert sorted((row.backend, row.precision) for row in found.rows) == sorted(
        [BF16, BF16, FP32, ORT]
    )
    turns = script.timed[-ROUNDS * len(found.rows) :]
    first, second = turns[: len(found.rows)], turns[len(found.rows) : 2 * len(found.rows)]
    assert len(set(first)) == len(found.rows)
    assert second == first[::-1]


def test_one_disturbed_trial_does_not_rule_a_way_out(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    calls = 0

    def disturbed_at_first(streams: int, batch: int) -> float:
        nonlocal calls
        calls += (streams, batch) == (2, 32)
        slowed = 0.95 if (streams, batch, calls) == (2, 32, 1) else 1.0
        return slowed * {(2, 32): 2000.0, (2, 64): 1950.0, (1, 32): 1990.0}.get(
            (streams, batch), 1900.0
        )

    found = calibrated(bundle, Script(monkeypatch, {BF16: disturbed_at_first}))
    assert (2, 32) in {(row.streams, row.max_batch) for row in found.rows}


def test_the_usual_way_takes_its_turns_too(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    found = calibrated(bundle, Script(monkeypatch, {BF16: best_at(1, 16, 2000)}))
    assert PLAN.usual("openvino") in {(row.streams, row.max_batch) for row in found.rows}


def test_larger_batches_are_not_tried_once_they_are_slower(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    script = Script(monkeypatch, SPEEDS)
    calibrated(bundle, script)
    assert {batch for name, precision, _, batch in script.timed if (name, precision) == FP32} == {
        16,
        32,
    }


def test_every_backend_is_closed(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    script = Script(monkeypatch, SPEEDS)
    calibrated(bundle, script)
    assert len(script.opened) == 2 * len(SPEEDS)
    assert all(backend.closed for backend in script.opened)


def test_a_backend_that_breaks_in_its_turns_is_no_candidate(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    script = Script(monkeypatch, SPEEDS)

    def break_late(_done: int, _of: int, what: str) -> None:
        if what.startswith("onnxruntime"):
            script.faults.add(BF16)

    found = calibrated(bundle, script, break_late)
    assert {(row.backend, row.precision) for row in found.rows} == {FP32, ORT}
    assert ("openvino", "bf16", "openvino: broken") in {
        (one.backend, one.precision, one.reason) for one in found.absent
    }
    assert BF16 not in {(one.backend, one.precision) for one in found.loaded}


def test_progress_ends_where_it_said_it_would(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    steps: list[tuple[int, int]] = []
    calibrated(bundle, Script(monkeypatch, SPEEDS), lambda done, of, _: steps.append((done, of)))
    assert [done for done, _ in steps] == list(range(1, len(steps) + 1))
    assert steps[-1][0] == steps[-1][1]
    assert all(done <= of for done, of in steps)


def test_on_a_box_that_takes_too_long_only_the_usual_layout_is_tried(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    monkeypatch.setattr(calibration, "_PATIENCE_S", -1e9)
    script = Script(monkeypatch, SPEEDS)
    found = calibrated(bundle, script)
    assert [backend.streams for backend in script.opened] == [2] * len(SPEEDS)
    assert {(row.backend, row.precision) for row in found.rows} == set(SPEEDS)


def test_no_budget_makes_a_figure_of_one_timing(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    script = Script(monkeypatch, SPEEDS)
    found = calibrate(bundle, PLAN, script.open_way, budget_s=0.0)
    for row in found.rows:
        own = (row.backend, row.precision, row.streams, row.max_batch)
        assert script.timed.count(own) == 5  # two trials and three turns
