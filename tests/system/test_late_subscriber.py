"""Who joins while a run is open knows what the run is before its first result, also behind a restart of the daemon."""

from collections.abc import Callable
from typing import Any

import pytest

from phenostream.daemon.client.records import Record
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.client.subscriber import Subscriber
from phenostream.daemon.wire.ingest import Start


@pytest.mark.system
@pytest.mark.timeout(120)
@pytest.mark.parametrize("restarted", [False, True])
def test_a_late_subscriber_is_told_the_start_once_and_counts_what_it_is_owed(
    make_daemon: Callable[..., Any],
    small_start: Callable[..., Start],
    small_frame: Any,
    restarted: bool,
) -> None:
    daemon, start = make_daemon(), small_start(instrument="scope")
    daemon.start()
    told: list[Record] = []
    order: list[str] = []

    def introduce(record: Record) -> None:
        told.append(record)
        order.append(record.facts["event"])

    with Sender(daemon.ready["ingest"], "scope", SenderSettings(reconnect_timeout_s=60)) as sender:
        acked: list[int] = []
        sender.on_ack = lambda ack: acked.append(ack.frame_seq)
        sender.start(start)
        for seq in range(3):
            sender.send(seq, small_frame)
        while len(acked) < 3:
            sender.wait(0.05)
        if restarted:
            daemon.kill()
            daemon.start()
        with Subscriber(daemon.ready["results"], daemon.ready["control"]) as results:
            results.on_run = introduce
            results.on_missed = lambda run, n: pytest.fail(f"{n} results of {run}")
            results.wait_subscribed()
            for seq in range(3, 6):
                sender.send(seq, small_frame)
            for record in results.until_end():
                order.append(record.topic)
                if order.count("result") == 3 and record.topic == "result":
                    sender.finish()
    (opened,) = told
    assert order[0] == "run_open"
    assert order.count("result") == 3
    assert opened.facts["start"] == start.model_dump(mode="json")
    assert (opened.offset, opened.facts["mode"], opened.facts["synthetic"]) == (0, "lossless", True)
