"""Whatever happens to subscribers and to the daemon, in the end each has the journal: byte for byte, in order, once.

Forty things happen in about a minute on two busy cores; set PHENOSTREAM_CHAOS for more.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from phenostream.daemon.wire.ingest import Start
from tests.system.subscriber_chaos import SETTINGS, subscriber_chaos

STEPS = int(os.environ.get("PHENOSTREAM_CHAOS", "40"))


@pytest.mark.system
@pytest.mark.timeout(240 + 4 * STEPS)
def test_subscribers_that_die_stop_and_lag_get_exactly_the_journal(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Any
) -> None:
    seed = time.time_ns() % 10**6
    report = subscriber_chaos(
        make_daemon(SETTINGS), small_start(), small_frame, steps=STEPS, seed=seed
    )
    assert report.sound, report
    assert sum(report.done.values()) == STEPS
    assert report.records >= report.frames + 2
