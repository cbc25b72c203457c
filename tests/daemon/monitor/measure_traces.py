"""What traces cost the monitor: `python -m tests.daemon.monitor.measure_traces`.

CPU time, the least of some rounds: to hear a result of so many cells and see that it is not sampled, and to make the
spans of one that is.
"""

from phenostream.daemon.monitor.spans import is_sampled, spans
from phenostream.daemon.pipeline.entries import Arrival
from phenostream.daemon.pipeline.records import end_frame
from phenostream.daemon.wire.codec import unpack_meta
from tests.daemon.conftest import toy_model
from tests.daemon.measure_meters import cpu_us
from tests.daemon.pipeline.test_commit import finished
from tests.system.small_camera import small_start


def main() -> None:
    """Print the figures."""
    for cells in (20, 200):
        passage = finished(Arrival(small_start(), 1, 1_700_000_000_000_000_000, 0.0), cells)
        payload = end_frame(passage, toy_model(), 0.05).payload
        hearing = cpu_us(lambda: is_sampled(unpack_meta(payload), 100), 100)  # noqa: B023
        meta = unpack_meta(payload)
        making = cpu_us(lambda: spans(meta, 1, 0), 100)  # noqa: B023
        print(  # noqa: T201
            f"a result of {cells} cells, {len(payload)} bytes: {hearing:.0f} us to hear, {making:.0f} us more to trace"
        )


if __name__ == "__main__":
    main()
