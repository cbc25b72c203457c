"""A real daemon's frames become traces at a collector, by the ids that a source can make itself."""

import math
import signal
from collections.abc import Callable
from typing import Any

import pytest

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.monitor.spans import trace_id
from phenostream.daemon.wire.ingest import FrameHeader, Start
from tests.daemon.monitor.toy_collector import toy_collector
from tests.system.daemon_process import DaemonProcess

pytestmark = pytest.mark.system

SETTINGS = '[monitor]\naddress = "127.0.0.1:*"\ntraces_to = "{url}"\ntraces_one_in = 2\n'


def test_one_frame_in_two_is_traced_and_each_that_was_lost(
    make_daemon: Callable[..., DaemonProcess],
    small_start: Callable[..., Start],
    small_frame: Any,
) -> None:
    start, sent = small_start(), 0
    whole: dict[bytes, Any] = {}
    with toy_collector() as collector:
        daemon = make_daemon(SETTINGS.format(url=collector.url))
        ready = daemon.start()
        with Sender(ready["ingest"], start.instrument) as sender:
            sender.start(start)
            while len(whole) < 3:  # the monitor listens some time after the daemon is ready
                if sent % 4 == 3:  # of a size that START did not announce
                    shape = (4, 16, 16)
                    header = FrameHeader(
                        run=start.run, frame_seq=sent, shape=shape, dtype="u8", source_utc_ns=1
                    )
                    sender.send_frame(header, bytes(math.prod(shape)))
                else:
                    sender.send(sent, small_frame)
                sent += 1
                assert sent < 2000
                if collector.came.acquire(timeout=0.05):
                    spans = collector.posts[-1].resource().scope_spans[0].spans
                    whole |= {span.trace_id: span for span in spans if span.name == "frame"}
            sender.finish()
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 0
    failed = {trace_id(start.run, seq) for seq in range(3, sent, 4)}
    even = {trace_id(start.run, seq) for seq in range(0, sent, 2)}
    assert set(whole) <= failed | even
    for trace, span in whole.items():
        assert (span.status.code == 2) == (trace in failed)
        assert span.end_time_unix_nano > span.start_time_unix_nano
