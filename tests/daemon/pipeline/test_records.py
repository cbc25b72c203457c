"""Every kind of record says the same of simulation, whichever of model and microscope is simulated."""

from collections.abc import Callable
from typing import Any

import pytest

from phenostream.daemon.model import ServedModel
from phenostream.daemon.pipeline.entries import Arrival, Passage, RunEnded, RunStarted
from phenostream.daemon.pipeline.records import (
    Wording,
    end_frame,
    run_ended,
    run_started,
    summary,
)
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.window import WindowStatistics

KEYS = ("synthetic", "model_synthetic", "source_synthetic")


@pytest.mark.parametrize("of_model", [False, True])
@pytest.mark.parametrize("of_source", [False, True])
def test_synthetic_means_the_same_in_every_record(
    make_model: Callable[..., ServedModel],
    make_start: Callable[..., Start],
    of_model: bool,
    of_source: bool,
) -> None:
    model, start = make_model(synthetic=of_model), make_start(synthetic=of_source)
    context = SummaryContext.of(model.manifest, simulated_cells=of_source)
    facts = WindowStatistics(context).facts().as_dict()
    told = unpack_result(summary(start, "run", Wording("text"), facts))
    failed = Passage(Arrival(start, 0, 1, 0.0), failure=("failed", "code: text"))
    said: list[dict[str, Any]] = [
        unpack_result(end_frame(failed, model, 1.0).payload),
        unpack_result(run_started(RunStarted(start), model_synthetic=of_model)),
        unpack_result(run_ended(RunEnded(start), {}, model_synthetic=of_model)),
        told,
        told["facts"],
    ]
    for one in said:
        assert tuple(one[key] for key in KEYS) == (of_model or of_source, of_model, of_source)
