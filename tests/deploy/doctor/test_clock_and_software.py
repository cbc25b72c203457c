"""The clock and the versions that matter."""

import time

import pytest

from phenostream.deploy.doctor import clock, software
from phenostream.deploy.doctor.clock import Discipline, discipline
from phenostream.deploy.doctor.finding import Finding
from tests.deploy.doctor.patients import the


def told(known: Discipline | None) -> list[Finding]:
    return list(clock.looked(lambda: known))


def test_a_clock_that_something_keeps_right_is_well() -> None:
    found = told(Discipline(True, 0.012))
    assert {one.verdict for one in found} == {"ok"}
    assert the(found, "NTP").found == "synchronised, off by at most 12 ms"


def test_a_clock_that_nothing_keeps_right_is_a_warning_and_one_that_is_not_told_is_not_run() -> (
    None
):
    assert the(told(Discipline(False, 16.0)), "NTP").verdict == "warn"
    assert the(told(None), "NTP").verdict == "not run"


def test_1970_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 61.0)
    found = the(told(None), "time")
    assert found.verdict == "fail"
    assert found.found.startswith(
        "it says 1970-01-01T00:01:01Z, allowed 2026-01-01T00:00:00Z to 2100"
    )


def test_the_kernel_answers_and_nothing_is_changed() -> None:
    known = discipline()
    assert known is not None
    assert 0 <= known.most_error_s <= 100


@pytest.mark.parametrize(
    ("version", "curve", "verdict"),
    [((4, 3, 5), True, "ok"), ((4, 3, 2), True, "fail"), ((4, 3, 5), False, "fail")],
)
def test_an_old_libzmq_and_one_without_curve_fail(
    version: tuple[int, ...], curve: bool, verdict: str
) -> None:
    assert software.libzmq(version, curve=curve).verdict == verdict
