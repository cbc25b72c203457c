"""A short soak of the real daemon passes; a daemon that leaks fails it."""

import sys
from pathlib import Path

import pytest

from phenostream.deploy.bench.soak import Sample, Soak, judged, measure_soak, small_microscope
from phenostream.deploy.bundles import bundle_path
from phenostream.deploy.child import PROGRAM
from phenostream.deploy.cli.main import main

LEAKING = Path(__file__).with_name("leaking_daemon.py")
LEDGER = {"published": 4, "announced": 4}


def soaked(folder: Path, program: tuple[str, ...]) -> Soak:
    bundle = str(bundle_path("demo").resolve())
    return measure_soak(bundle, small_microscope(), folder, frames=2000, program=program)


@pytest.mark.system
@pytest.mark.timeout(120)
def test_a_leaking_daemon_fails_the_soak(tmp_path: Path) -> None:
    soak = soaked(tmp_path, (sys.executable, str(LEAKING), "memory"))
    assert soak.ledger["published"] == 2000
    assert any(breach.startswith("memory grows by") for breach in soak.breaches)
    assert soak.slope_mib > 40


@pytest.mark.system
@pytest.mark.timeout(120)
def test_a_daemon_that_opens_files_and_keeps_them_fails_the_soak(tmp_path: Path) -> None:
    soak = soaked(tmp_path, (sys.executable, str(LEAKING), "files"))
    assert any(breach.startswith("descriptors: ") for breach in soak.breaches)


@pytest.mark.system
@pytest.mark.timeout(120)
def test_the_daemon_keeps_its_descriptors_and_threads(tmp_path: Path) -> None:
    soak = soaked(tmp_path, PROGRAM)
    assert soak.descriptors[0] == soak.descriptors[1]
    assert soak.threads[0] == soak.threads[1]
    assert (
        soak.ledger["published"] == 2000
    )  # memory is still warming up: its limit is for 150,000 frames


def samples(grows_mib: float, opens: int) -> list[Sample]:
    warm = [Sample(1000 * n, 50.0 + 20 * n, 9, 4) for n in range(10)]
    return warm + [
        Sample(1000 * n, 250.0 + grows_mib * n / 10, 9 + opens * (n - 10), 4) for n in range(10, 20)
    ]


@pytest.mark.parametrize(
    ("grows_mib", "opens", "breaches"),
    [(0.0, 0, 0), (0.9, 0, 0), (-3.0, 0, 0), (1.1, 0, 1), (0.0, 1, 1), (2.0, 1, 2)],
)
def test_only_what_happens_from_the_middle_on_is_judged(
    grows_mib: float, opens: int, breaches: int
) -> None:
    soak = judged(samples(grows_mib, opens), LEDGER)
    assert soak.slope_mib == pytest.approx(grows_mib)
    assert len(soak.breaches) == breaches


def test_a_frame_that_was_not_published_is_a_breach() -> None:
    soak = judged(samples(0, 0), {"published": 3, "announced": 4})
    assert soak.breaches == ["published 3 of 4"]


def test_too_few_frames_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "soak", "--frames", "10"]) == 2
    assert "--frames 10: allowed 2000 or more" in capsys.readouterr().err
