"""The first row that works serves; others are opened when needed; what is down is tried again ever more rarely."""

import time

import pytest

from phenostream.daemon.engines import FIRST_PAUSE_S, LONGEST_PAUSE_S, Engine, Engines, weakest
from phenostream.engine.backends.fake import FakeBackend, FakeScript
from phenostream.engine.backends.registry import AUTO_ORDER, fallbacks
from phenostream.engine.errors import EngineFault
from tests.daemon.toy_engines import FakeOpener, checked, fail_always


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, to be set."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_no_other_row_is_opened_while_the_first_is_up() -> None:
    opener = FakeOpener(second=FakeBackend)
    engines = Engines(checked(FakeBackend(), "first"), opener, ("second",))
    first = engines.choose()
    assert first is not None
    assert (first.name, opener.opened, engines.fault()) == ("first", [], None)
    engines.put_down(first, "first: gone")
    second = engines.choose()
    assert second is not None
    assert (second.name, opener.opened) == ("second", ["second"])
    assert engines.fault() == "first: gone; second infers"
    assert engines.serving.backend == "second"
    engines.close()


def test_rows_that_cannot_be_opened_are_passed_over_and_tried_again_later(
    clock: list[float],
) -> None:
    opener = FakeOpener(third=FakeBackend)
    engines = Engines(checked(FakeBackend(), "first"), opener, ("second", "third"))
    first = engines.choose()
    assert first is not None
    engines.put_down(first, "gone")
    chosen = engines.choose()
    assert chosen is not None
    assert chosen.name == "third"
    assert engines.due() == []
    clock[0] += FIRST_PAUSE_S
    assert [row.name for row in engines.due()] == ["first", "second"]
    assert engines.due() == []  # their trials are under way


def test_trials_become_rarer_up_to_once_a_minute_and_success_brings_a_row_back(
    clock: list[float],
) -> None:
    broken = fail_always()
    engines = Engines(checked(broken, "first"), FakeOpener())
    row = engines.choose()
    assert row is not None
    engines.put_down(row, "gone")
    pauses = []
    for _ in range(9):
        began = clock[0]
        while not (due := engines.due()):
            clock[0] += 1.0
        pauses.append(clock[0] - began)
        with pytest.raises(EngineFault):
            engines.test(due[0], due=True)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert engines.choose() is None
    row.backend = checked(FakeBackend(), "first")
    engines.test(row, due=False)
    assert engines.choose() is row
    assert engines.fault() is None
    clock[0] += 1
    engines.put_down(row, "again")  # so soon that the pause stays long
    clock[0] += LONGEST_PAUSE_S - 1
    assert engines.due() == []
    clock[0] += 1
    engines.test(engines.due()[0], due=True)
    clock[0] += LONGEST_PAUSE_S + 1
    engines.put_down(row, "much later")
    clock[0] += FIRST_PAUSE_S
    assert engines.due() == [row]


def test_a_trial_that_raises_what_is_no_error_of_ours_is_a_trial_that_failed(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(opener: FakeOpener, backend: object) -> None:
        raise MemoryError("no device memory")

    monkeypatch.setattr(FakeOpener, "test", broken)
    engines = Engines(checked(FakeBackend(), "first"), FakeOpener())
    row = engines.choose()
    assert row is not None
    engines.put_down(row, "gone")
    clock[0] += FIRST_PAUSE_S
    with pytest.raises(EngineFault, match="first: MemoryError: no device memory"):
        engines.test(engines.due()[0], due=True)
    clock[0] += FIRST_PAUSE_S
    assert engines.due() == []  # the pause has doubled


def test_a_call_may_take_a_hundred_batches_and_never_less_than_ten_seconds() -> None:
    def limit(batch_s: float, configured: float) -> float:
        engines = Engines(FakeBackend(), FakeOpener(), batch_s=batch_s, call_timeout_s=configured)
        told: float = engines.told()[0]["call_timeout_s"]
        return told

    assert limit(0.03, 0) == 10.0
    assert limit(0.5, 0) == 50.0
    assert limit(0.5, 2.5) == 2.5


def test_nobody_but_a_trial_is_asked_while_a_call_is_stuck() -> None:
    engines = Engines(FakeBackend(FakeScript()), FakeOpener())
    row = engines.choose()
    assert row is not None
    engines.put_down(row, "no answer", stuck=True)
    assert engines.hope() is None
    engines.returned(row)
    assert engines.hope() is row


@pytest.mark.parametrize("inside", ["stuck", "trial", "nobody"])
def test_a_backend_that_somebody_is_inside_of_is_closed_when_that_call_returns(inside: str) -> None:
    backend = FakeBackend()
    engines = Engines(backend, FakeOpener())
    row = engines.choose()
    assert row is not None
    if inside == "stuck":
        engines.put_down(row, "no answer", stuck=True)
    row.trying = inside == "trial"
    engines.close()
    assert backend.closed == (inside == "nobody")
    if inside == "stuck":
        engines.returned(row)
    elif inside == "trial":
        engines.test(row, due=True)
    assert backend.closed
    assert engines.due() == []


def test_of_several_the_coarsest_arithmetic_speaks() -> None:
    fine, coarse = Engine("onnxruntime", "CPU", "fp32"), Engine("openvino", "CPU", "bf16")
    assert weakest({fine, coarse}) == coarse
    assert weakest({fine}) == fine


def test_the_next_rows_of_the_table_come_before_those_that_are_better_on_paper() -> None:
    assert fallbacks("openvino")[0] == "onnxruntime"
    assert fallbacks("onnxruntime")[-1] == "openvino"
    assert "fake" not in {name for row in AUTO_ORDER for name in fallbacks(row)}
    assert fallbacks("fake") == ()
    assert fallbacks("openvino", "none") == ()
    assert fallbacks("openvino", "fake") == ("fake",)


def test_engines_hang_where_no_row_is_left_and_a_call_has_not_come_back() -> None:
    engines = Engines(checked(FakeBackend(), "first"), FakeOpener(second=FakeBackend), ("second",))
    first = engines.choose()
    assert first is not None
    engines.put_down(first, "first: no answer for 10 s", stuck=True)
    assert not engines.hung  # the second is there, and not opened yet
    second = engines.choose()
    assert second is not None
    engines.put_down(second, "second: gone")
    assert engines.hung
    engines.returned(first)
    assert not engines.hung  # what only fails is tried again: a new process could do no better
    engines.close()


def test_the_longest_call_is_that_of_a_row_that_is_open() -> None:
    engines = Engines(checked(FakeBackend(), "first"), FakeOpener(), batch_s=0.5)
    assert engines.longest_call_s == 50.0
    engines.close()
