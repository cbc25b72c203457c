"""`bench engine --all` and `--roofline`: a bundle in every backend, with the box's ceilings measured beside them."""

from collections.abc import Callable, Sequence

from phenostream.deploy.bench.ceilings import measurable_ceilings
from phenostream.deploy.bench.contest import Contest, Effort, hold_contest
from phenostream.deploy.bench.entrants import Entrant, Open, ways
from phenostream.deploy.bench.operations import count_work
from phenostream.deploy.bench.roofline import Roofline, roofline
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.backends.registry import golden_test, open_backend
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import EngineFault, PhenostreamError
from phenostream.engine.manifest import Precision


def measure_every_backend(
    bundle: Bundle,
    entrants: Sequence[Entrant],
    effort: Effort,
    *,
    streams: Sequence[int] | None = None,
    batches: Sequence[int] | None = None,
    compile: bool = False,
    with_roofline: bool = False,
    on_step: Callable[[str], None] = lambda what: None,
) -> tuple[Contest, Roofline | None]:
    """Time all entrants in turns.

    Args:
        bundle: Whose model.
        entrants: Who takes part.
        effort: How much is measured.
        streams: To try; None: what the daemon's calibration tries.
        batches: Likewise.
        compile: Of torch on a GPU.
        with_roofline: Measure the box's ceilings in the same rounds.
        on_step: Called after each step, with what was done.
    """
    work = count_work(bundle.files["model.onnx"]) if with_roofline else None
    precisions = [entrant.precision for entrant in entrants]
    ceilings, missing = measurable_ceilings(precisions) if with_roofline else ([], {})
    contest = hold_contest(
        entrants,
        opener(bundle, compile=compile),
        lambda backend: golden_test(backend, bundle),
        lambda entrant: ways(entrant, streams, batches),
        effort=effort,
        beside=ceilings,
        on_step=on_step,
    )
    if work is None:
        return contest, None
    return contest, roofline(work, contest, ceilings, missing)


def opener(bundle: Bundle, *, compile: bool) -> Open:
    """Opens ways to run a bundle; whatever a runtime raises is one line."""

    def open_way(
        name: str, precision: Precision, streams: int, threads: int, largest: int
    ) -> Backend:
        try:
            return open_backend(
                bundle,
                name,
                streams=streams,
                threads=threads,
                max_batch=largest,
                precision=precision,
                compile=compile,
            )
        except PhenostreamError:
            raise
        except Exception as err:  # a runtime that is imported now may raise anything
            raise EngineFault(f"{name}: {type(err).__name__}: {err}"[:200]) from err

    return open_way
