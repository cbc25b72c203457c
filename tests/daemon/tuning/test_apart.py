"""A measuring process that hangs, dies or babbles costs a measurement, never the daemon."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from phenostream.daemon.tuning.apart import longest_s, measure_apart
from phenostream.daemon.tuning.measuring import Request
from phenostream.daemon.tuning.plan import Plan
from phenostream.deploy.bundles import demo_bundle
from phenostream.engine.bundle import load_bundle
from phenostream.engine.errors import EngineFault

NOTHING = Request(Path("/nowhere"), "0" * 64, Plan((), cores=1), 1.0)


def program(body: str) -> tuple[str, ...]:
    return (sys.executable, "-c", body)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("import os; os.kill(os.getpid(), 11)", "signal 11"),
        ("import sys; sys.exit('a last word')", "exit code 1: a last word"),
        ("print('hello', flush=True)", "it said b'hello'"),
        ("print('[1]', flush=True)", r"it said b'\[1\]'"),
        ("""print('{"result": "{}"}', flush=True)""", "its result is not understood"),
        ("import sys; sys.stdin.close()", "exit code 0"),
    ],
)
def test_a_process_that_gives_no_result_is_told_of_in_one_line(body: str, says: str) -> None:
    with pytest.raises(EngineFault, match=f"^measuring ended: {says}$"):
        measure_apart(NOTHING, program=program(body))


def test_a_process_that_cannot_be_started_is_told_of_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(EngineFault, match=r"^measuring cannot begin: No such file or directory$"):
        measure_apart(NOTHING, program=("/nowhere/python",))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no folder"))
    with pytest.raises(EngineFault, match=r"^measuring cannot begin: No such file or directory"):
        measure_apart(NOTHING, program=program("pass"))


def test_a_process_that_hangs_is_ended() -> None:
    hangs = program("import threading; threading.Event().wait()")
    with pytest.raises(EngineFault, match="it took too long"):
        measure_apart(NOTHING, program=hangs, limit_s=0.3)


def test_it_ends_when_nobody_waits_for_it_any_more() -> None:
    hangs = program("import threading; threading.Event().wait()")
    with pytest.raises(EngineFault, match="it was told to stop"):
        measure_apart(NOTHING, program=hangs, stopped=lambda: True)


@pytest.mark.parametrize(
    "plan", [Plan(("tensorrt",), cores=1), Plan(("torch",), compile=True, cores=1)]
)
def test_building_engines_gets_more_time(plan: Plan) -> None:
    assert longest_s(replace(NOTHING, plan=plan)) > longest_s(NOTHING) + 600


def test_a_bundle_that_was_changed_meanwhile_is_refused() -> None:
    request = Request(demo_bundle(), "0" * 64, Plan(("onnxruntime",), cores=1), 1.0)
    with pytest.raises(EngineFault, match="is another bundle than a moment ago"):
        measure_apart(request)


def test_a_real_backend_is_measured_in_a_process_of_its_own() -> None:
    plan = Plan(("onnxruntime",), streams=1, max_batch=2, precision="fp32", cores=1)
    steps: list[int] = []
    bundle = load_bundle(demo_bundle())
    request = Request(demo_bundle(), bundle.sha256, plan, 0.2)
    found = measure_apart(request, on_step=lambda done, of, what: steps.append(done))
    (row,) = found.rows
    assert (row.backend, row.precision, row.streams, row.max_batch) == ("onnxruntime", "fp32", 1, 2)
    assert 0 < row.least <= row.cells_per_s <= row.most
    assert row.batch1_ms > 0
    assert found.loaded[0].golden < 1e-4
    assert steps == list(range(1, len(steps) + 1))
