"""What the watch for drift costs the commit thread: `python -m tests.daemon.measure_drift`.

CPU time, the least of some rounds: to take a frame, to end a frame's record beside it, and to compare a window.
Features and outputs are made up; the model is the toy, with eight projections.
"""

from dataclasses import replace

import numpy as np

from phenostream.daemon.drift_config import DriftConfig
from phenostream.daemon.drift_history import DriftHistory
from phenostream.daemon.drifting import Drifting
from phenostream.daemon.model import ServedModel
from phenostream.daemon.pipeline.records import end_frame
from phenostream.engine.drift.frame import Projection
from phenostream.engine.drift.population import Population
from phenostream.engine.drift.quantities import Tolerances, quantities_of
from phenostream.engine.drift.shifts import shifts
from phenostream.engine.drift.sums import Sums
from phenostream.engine.summary.context import SummaryContext
from tests.daemon import test_drifting
from tests.daemon.conftest import toy_model
from tests.engine.summary.measure_spread import cpu_s
from tests.system.small_camera import small_start


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    plain = toy_model()
    quantities = quantities_of(SummaryContext.of(plain.manifest))
    axes = rng.normal(size=(256, 8)).astype(np.float32)
    known = Population(Sums(len(quantities)), Projection(np.zeros(256, np.float32), axes))
    model = replace(plain, population=known)
    for cells in (20, 100, 200):
        test_drifting.CELLS = cells
        microscope = test_drifting.Microscope(small_start(), model)
        never = DriftConfig(least_frames=100_000)
        drifting = Drifting(never, DriftHistory(), 4)
        passage = microscope.passage()
        end = end_frame(passage, model, 1.0)
        taking = cpu_s(lambda: drifting.add(passage, model, end), 200)  # noqa: B023
        ending = cpu_s(lambda: end_frame(passage, model, 1.0), 200)  # noqa: B023
        one, other = Sums(len(quantities)), Sums(len(quantities))
        for _ in range(20):
            for sums in (one, other):
                sums.add(rng.uniform(10, 20, len(quantities)), rng.uniform(20, 40, len(quantities)))
        comparing = cpu_s(lambda: shifts(one, other, quantities, Tolerances()), 20)  # noqa: B023
        print(  # noqa: T201
            f"frame of {cells} cells: {taking * 1e6:.0f} us to watch, beside {ending * 1e6:.0f} us for its record; "
            f"window: {comparing * 1e3:.2f} ms to compare with one baseline"
        )
    print(f"record of a run that ends, one baseline: {record_bytes(model)} bytes")  # noqa: T201


def record_bytes(model: ServedModel) -> int:
    """Of a run of forty frames, compared with as many."""
    config, start = DriftConfig(least_frames=4, least_cells=100), small_start()
    first = Drifting(config, DriftHistory(), 4)
    test_drifting.CELLS = 30
    test_drifting.Microscope(start, model).feed(first, 40)
    told = first.end(start)
    assert told is not None
    assert model.population is not None
    trained = replace(model, population=replace(model.population, sums=told[1].sums))
    second, again = Drifting(config, DriftHistory(), 4), small_start()
    test_drifting.Microscope(again, trained, 1).feed(second, 40)
    record = second.end(again)
    assert record is not None
    return len(record[0])


if __name__ == "__main__":
    main()
