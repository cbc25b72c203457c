"""Single shots, and frames of fewer shots, through a real daemon: many runs at once, a drain, other bundles."""

import json
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.errors import Refusal
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.stream import SourceFrame, stream
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.ledger import FATES
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.ingest import Report, Start
from phenostream.deploy.bundles import bundle_path
from phenostream.engine.manifest import sealed

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
Image = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]
PAIR = ("left", "right")


def results(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The one record of every frame in a journal."""
    found: dict[tuple[str, int], dict[str, Any]] = {}

    def look(record: Record) -> None:
        if record.topic == "result":
            body = unpack_result(record.payload)
            assert found.setdefault((body["run"], body["frame_seq"]), body) is body

    Journal(folder, on_record=look).close()
    return found


def test_runs_of_several_instruments_and_dtypes_are_assembled_side_by_side(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon = make_daemon()
    url, count = daemon.start()["ingest"], 25
    u16: dict[str, Any] = {"dtype": "u16", "bit_depth": 12, "white_level": 4095.0}
    starts = [small_start(instrument=f"scope-{k}", **(u16 if k % 2 else {})) for k in range(4)]
    reports: dict[str, Report] = {}
    failures: list[BaseException] = []

    def send(start: Start) -> None:
        image = small_frame if start.dtype == "u8" else small_frame.astype("<u2") * 16
        frames = [SourceFrame(seq, image) for seq in range(count)]
        try:
            with Sender(url, start.instrument) as sender:
                reports[start.run] = stream(sender, start, frames, single_shots="shuffled")
        except BaseException as err:
            failures.append(err)

    threads = [threading.Thread(target=send, args=(start,)) for start in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    for start in starts:
        ledger = reports[start.run].ledger
        assert ledger["received"] == ledger["published"] == count
        assert ledger["cells_found"] == 4 * count
        assert ledger["shots_repeated"] == ledger["shots_late"] == ledger["refused"] == 0
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    assert len(results(daemon.folder / "journal")) == 4 * count


def test_a_drain_in_the_middle_of_frames_neither_waits_nor_invents_a_fate(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon, start = make_daemon("[ingest]\nshot_timeout_s = 600\n"), small_start()
    url, chance = daemon.start()["ingest"], random.Random(1)  # noqa: S311 - an order
    with Sender(url, "scope") as sender:
        sender.start(start)
        sender.send(0, small_frame)
        begun = [(seq, k) for seq in (1, 2, 3) for k in range(4)]
        chance.shuffle(begun)
        left = [begun.pop(next(i for i, b in enumerate(begun) if b[0] == seq)) for seq in (1, 2, 3)]
        for seq, k in begun:
            sender.send_shot(seq, start.shots[k], small_frame[k])
        with Control(daemon.ready["control"]) as control:
            while control.status()["assembling"]["frames"] < 3:
                sender.wait(0.01)
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 0
        assert list(results(daemon.folder / "journal")) == [(start.run, 0)]
        daemon.start()
        for seq, k in left:
            sender.send_shot(seq, start.shots[k], small_frame[k])
        report = sender.finish()
    ledger = report.ledger
    assert ledger["received"] == ledger["published"] == 4
    assert ledger["in_flight"] == ledger["missing"] == 0


def test_an_incomplete_frame_is_told_by_result_ledger_and_quarantine(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon, start = make_daemon("[ingest]\nshot_timeout_s = 0.5\n"), small_start()
    with Sender(daemon.start()["ingest"], "scope") as sender:
        sender.start(start)
        for k in (3, 0, 1):
            sender.send_shot(0, start.shots[k], small_frame[k])
        ledger = sender.finish().ledger
    assert (ledger["received"], ledger["quarantined.incomplete"]) == (1, 1)
    assert ledger["received"] == sum(ledger[fate] for fate in FATES)
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    result = results(daemon.folder / "journal")[start.run, 0]
    reason = "incomplete: 3 of 4 shots, top missing after 0.5 s"
    assert (result["fate"], result["reason"]) == ("quarantined", reason)
    assert result["shots"] == ["left", "right", "bottom"]
    (note,) = (daemon.folder / "quarantine").glob("*.json")
    parts = json.loads(note.read_text())["parts"]
    assert [part["header"]["illumination"] for part in parts] == ["bottom", "left", "right"]
    assert note.with_suffix(".frame").read_bytes() == b"".join(
        small_frame[k].tobytes() for k in (3, 0, 1)
    )


@pytest.fixture
def pair_bundle(tmp_path: Path) -> Path:
    """The demo bundle, its manifest saying that it takes left and right alone too."""
    folder = tmp_path / "pair"
    folder.mkdir()
    for path in bundle_path("demo").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = json.loads((folder / "manifest.json").read_text())
    content["shot_sets"] = [list(PAIR), content["shots"]]
    (folder / "manifest.json").write_text(json.dumps(sealed(content)))
    return folder


def test_frames_of_two_shots_are_served_where_the_bundle_takes_them(
    make_daemon: Callable[..., Any],
    small_start: Callable[..., Start],
    small_frame: Image,
    pair_bundle: Path,
) -> None:
    daemon = make_daemon()
    daemon.bundle = pair_bundle
    url = daemon.start()["ingest"]
    starts = [small_start(shots=order) for order in (PAIR, PAIR[::-1])]
    for start in starts:
        place = [("left", "right", "top", "bottom").index(which) for which in start.shots]
        frames = [SourceFrame(seq, small_frame[place]) for seq in range(2)]
        with Sender(url, "scope") as sender:
            order: Any = None if start is starts[0] else "shuffled"
            ledger = stream(sender, start, frames, single_shots=order).ledger
        assert ledger["published"] == 2
    with Sender(url, "scope") as sender:
        refusal = r"unfit: shots top, bottom: this bundle takes left right or left right top bottom"
        with pytest.raises(Refusal, match=refusal):
            sender.start(small_start(shots=("top", "bottom")))
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    found = results(daemon.folder / "journal")
    told = [found[start.run, 0] for start in starts]
    assert [result["shots"] for result in told] == [["left", "right"], ["right", "left"]]
    assert told[0]["columns"] == told[1]["columns"]


def test_frames_of_two_shots_are_unfit_for_a_bundle_that_takes_four(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start]
) -> None:
    daemon = make_daemon()
    with Sender(daemon.start()["ingest"], "scope") as sender:
        refusal = r"unfit: shots left, right: this bundle takes left right top bottom$"
        with pytest.raises(Refusal, match=refusal):
            sender.start(small_start(shots=PAIR))
