"""A bundle gains what its model says of simulated frames, its other files stay, and a stream is watched with it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.trainer, pytest.mark.timeout(180)]

from phenostream.deploy import population  # noqa: E402
from phenostream.deploy.bench.drift import DriftPlan, DriftRow, drawn_halves, measure_drift  # noqa: E402
from phenostream.deploy.cli import main  # noqa: E402
from phenostream.deploy.model_frames import StreamSettings  # noqa: E402
from phenostream.deploy.population import add_population  # noqa: E402
from phenostream.engine.backends.registry import open_backend  # noqa: E402
from phenostream.engine.bundle import Bundle, load_bundle  # noqa: E402
from phenostream.engine.drift.watch import WatchSettings  # noqa: E402

DEMO = Path(__file__).parents[2] / "deploy" / "demo_bundle"


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("population")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population, "_SIZE_PX", 512)
        patch.setattr(population, "_RENDERED", 40)
        add_population(load_bundle(DEMO), "easy", folder / "bundle", folder / "cache", frames=20)
    return load_bundle(folder / "bundle")


def test_the_manifest_says_of_which_cells_it_is(extended: Bundle) -> None:
    told = extended.manifest.training_population
    assert told is not None
    assert told.frames == 20
    assert told.synthetic
    assert "preset easy" in told.cells
    assert extended.population is not None
    assert extended.population.sums.weight(0) == told.classified


def test_every_other_file_is_as_it_was(extended: Bundle) -> None:
    before = load_bundle(DEMO)
    kept = {name: one for name, one in before.files.items() if name != "population.npz"}
    assert {name: one for name, one in extended.files.items() if name != "population.npz"} == kept


def test_a_planted_drift_is_found_and_an_unchanged_stream_is_not(
    extended: Bundle, tmp_path: Path
) -> None:
    stream = StreamSettings("easy", size_px=512, rendered=40)
    brighter = {"gain": replace(stream, gain=1.3)}
    plan = DriftPlan(80, stream, brighter, WatchSettings(least_frames=8, least_cells=30))
    backend, steps = open_backend(extended, streams=1), list[int]()
    try:
        rows = measure_drift(extended, backend, tmp_path, plan, lambda: steps.append(1))
    finally:
        backend.close()
    assert len(steps) == plan.steps == 160
    by_stream: dict[tuple[str, str], DriftRow] = {
        (row.stream, row.against): row for row in rows if row.tolerance == "as configured"
    }
    assert by_stream["unchanged", "previous run"].beyond == 0
    assert by_stream["gain", "previous run"].alarmed == 1
    assert {code for code, _ in by_stream["gain", "previous run"].first} == {
        f"brightness/{shot}" for shot in ("left", "right", "top", "bottom")
    }
    assert by_stream["gain", "training"].alarmed == by_stream["unchanged", "training"].alarmed


def test_every_run_has_an_earlier_one_of_its_own() -> None:
    frames = [(np.array([float(2**place)]), np.ones(1)) for place in range(10)]
    rng, earlier = np.random.default_rng(0), set()
    for _ in range(5):
        later, baseline = drawn_halves(frames, rng)
        assert baseline.sums is not None
        part = float(baseline.sums.table[0, 0])
        assert baseline.sums.frames == len(later) == 5
        assert part + sum(float(x[0]) for x, _ in later) == 2**10 - 1
        earlier.add(part)
    assert len(earlier) == 5


def test_a_checkpoint_or_another_option_beside_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export-model", "demo", str(tmp_path / "out"), "--population", "hard"]
    assert main([*arguments, "--int8", "simulated"]) == 2
    assert "--population: allowed by itself, where SOURCE is a bundle" in capsys.readouterr().err
    assert json.loads((DEMO / "manifest.json").read_text())["name"] == "phenostream-demo"
