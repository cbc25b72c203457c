"""A run is kept as a reference, and another daemon compares what it sees with it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.wire.codec import unpack_result
from phenostream.deploy.cli.main import main
from phenostream.engine.summary.facts import Facts
from tests.system.daemon_process import DaemonProcess
from tests.system.small_camera import small_frame, small_start

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
FRAMES = 30
CELLS_A_FRAME = 4


def facts_of_a_run(daemon: DaemonProcess) -> Facts:
    """Of a run of `FRAMES` equal frames, from its summary record."""
    start = small_start()
    with Sender(daemon.ready["ingest"], start.instrument) as sender:
        sender.start(start)
        for seq in range(FRAMES):
            sender.send(seq, small_frame())
        assert sender.finish().ledger["published"] == FRAMES
    with Control(daemon.ready["control"]) as control:
        since, told = 0, []
        while (batch := control.get(since)).records:
            since = batch.next
            told += [unpack_result(one.payload) for one in batch.records if one.topic == "summary"]
    (body,) = (one for one in told if one["scope"] == "run" and one["run"] == start.run)
    return Facts.from_dict(body["facts"])


def test_a_run_that_was_kept_is_what_the_next_daemon_compares_with(
    make_daemon: Callable[..., DaemonProcess],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = make_daemon()
    first.start()
    alone = facts_of_a_run(first)
    assert alone.comparisons == ()
    path = tmp_path / "monday.json"
    kept = ["summarise", first.ready["control"], "--save-reference", str(path), "--json"]
    assert main(kept) == 0
    assert json.loads(capsys.readouterr().out)
    second = make_daemon(f'[summary]\nreference = "{path}"\n')
    second.start()
    facts = facts_of_a_run(second)
    (comparison,) = facts.comparisons
    assert (comparison.against, comparison.obstacle) == ("reference", None)
    assert (comparison.frames, comparison.classified) == (FRAMES, FRAMES * CELLS_A_FRAME)
    assert {one.difference for one in comparison.shares} == {0.0}
    assert {one.verdict for one in comparison.changes} <= {"unclear", "too_few"}
    most = max(facts.classes, key=lambda one: one.count)
    assert all(marker.reference_percentile is not None for marker in most.markers)
    assert all(marker.run_percentile is None for marker in most.markers)
