"""Another model goes live in a running daemon: real processes, frames without a pause, and an exact account of them.

The models are fakes that behave on command; `test_swap_engines` does it with a real runtime.
"""

import csv
import gc
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.errors import Refusal
from phenostream.daemon.client.swapping import follow_swap
from phenostream.daemon.engines import Engines
from phenostream.daemon.wire.codec import unpack_meta
from phenostream.deploy.bundle_signing import make_signing_keys, sign_bundle
from phenostream.deploy.cli.main import main
from phenostream.engine.bundle import load_bundle
from tests.system.patience import becomes
from tests.system.served import Served
from tests.system.small_camera import small_frame, small_start
from tests.system.streaming_microscope import Microscope
from tests.system.swappable_daemon import SwappableDaemon, copied, write_toy

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "subscriber.py"
FEW_CELLS = 60
CELLS_A_FRAME = 4
FOR_EVER = 10**6
"""Cells of a comparison that will not end within a test."""


@pytest.fixture
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwappableDaemon]:
    """Ready, on a toy bundle of version 1."""
    made = SwappableDaemon(tmp_path_factory.mktemp("d"))
    made.start()
    yield made
    made.kill()


@pytest.fixture
def control(daemon: SwappableDaemon) -> Iterator[Control]:
    with Control(daemon.ready["control"]) as asking:
        yield asking


@contextmanager
def streaming(daemon: SwappableDaemon) -> Iterator[Microscope]:
    """Frames without a pause while the body runs; afterwards every one of them was published, with all its cells."""
    microscope = Microscope(daemon.ready["ingest"], small_start(), small_frame(), most_unacked=16)
    microscope.start()
    try:
        yield microscope
        microscope.wait_for(len(microscope.acked) + 20)
    finally:
        microscope.enough.set()
        microscope.join(60)
    assert microscope.failure is None
    assert microscope.report is not None
    ledger, sent = microscope.report.ledger, microscope.sent
    assert ledger["received"] == ledger["published"] == ledger["announced"] == sent
    assert ledger["missing"] == ledger["in_flight"] == ledger["cells_failed"] == 0
    assert ledger["cells_found"] == ledger["cells_classified"] == CELLS_A_FRAME * sent


def swapped(control: Control, bundle: Path, **terms: float | bool) -> dict[str, Any]:
    """The end of a swap."""
    return follow_swap(control, control.load_model(str(bundle), terms), lambda swap: None)


def stands_at(control: Control, state: str) -> bool:
    """Whether the newest swap comes to a state."""
    return becomes(lambda: control.model_swap()["state"] == state)


def records(control: Control) -> Iterator[tuple[str, dict[str, Any]]]:
    """Topic and content, without columns, of every record of the journal."""
    since = 0
    while (batch := control.get(since)).records:
        for record in batch.records:
            yield record.topic, unpack_meta(record.payload)
        since = batch.next


def steps(control: Control, run: str) -> list[tuple[str, str]]:
    """Version and identity that the results of a run name, by number of the frame, without repetitions."""
    named = {
        meta["frame_seq"]: (meta["model"]["version"], meta["model"]["sha256"])
        for topic, meta in records(control)
        if topic == "result" and meta["run"] == run
    }
    assert sorted(named) == list(range(len(named)))
    return [key for key, _ in groupby(named[seq] for seq in sorted(named))]


def serving(control: Control) -> tuple[str, str]:
    """Version and identity of the model that serves."""
    card = control.model()
    return card["version"], card["sha256"]


def test_a_swap_under_load_is_one_step_and_loses_nothing(
    daemon: SwappableDaemon, control: Control, tmp_path: Path
) -> None:
    second = write_toy(tmp_path / "second", "2")
    with streaming(daemon) as one, streaming(daemon) as other:
        one.wait_for(20)
        other.wait_for(20)
        end = swapped(control, second, cells=FEW_CELLS)
        assert (end["state"], end["reason"]) == ("serving", None)
        assert end["report"]["agreement"] == 1.0
        assert end["progress"]["cells"] >= FEW_CELLS
        assert end["standing_by"] is None
        one.wait_for(len(one.acked) + 20)
    both = [("1", end["before"]["sha256"]), ("2", end["model"]["sha256"])]
    assert both[1][1] == load_bundle(second).sha256
    assert steps(control, one.start_message.run) == both
    assert steps(control, other.start_message.run) == both
    assert serving(control) == both[1]
    assert control.status()["model"]["version"] == "2"


def test_a_model_that_decides_otherwise_never_serves(
    daemon: SwappableDaemon, control: Control, tmp_path: Path
) -> None:
    contrary = write_toy(tmp_path / "contrary", "contrary")
    with streaming(daemon) as microscope:
        end = swapped(control, contrary, cells=FEW_CELLS)
    assert end["state"] == "refused"
    assert "allowed 98.00% or more" in end["reason"]
    assert [version for version, _ in steps(control, microscope.start_message.run)] == ["1"]
    assert serving(control)[0] == "1"


def test_a_model_that_is_too_slow_never_serves(
    daemon: SwappableDaemon, control: Control, tmp_path: Path
) -> None:
    daemon.set_mood("slow")
    with streaming(daemon) as microscope:
        end = swapped(control, write_toy(tmp_path / "moody", "moody"), cells=FEW_CELLS)
    assert end["state"] == "refused"
    assert "allowed 1.5 times" in end["reason"]
    assert [version for version, _ in steps(control, microscope.start_message.run)] == ["1"]


@pytest.mark.parametrize("mood", ["raise", "nan"])
def test_a_model_that_fails_in_its_probation_is_taken_back_and_no_frame_with_it(
    mood: str, daemon: SwappableDaemon, control: Control, tmp_path: Path
) -> None:
    with streaming(daemon) as before:
        pass
    control.load_model(str(write_toy(tmp_path / "moody", "moody")), {"now": True})
    assert stands_at(control, "probation")
    assert control.model_swap()["standing_by"]["version"] == "1"
    assert serving(control)[0] == "moody"
    daemon.set_mood(mood)
    with streaming(daemon) as after:
        assert stands_at(control, "rolled_back")
    end = control.model_swap()
    assert end["reason"]
    assert "\n" not in end["reason"]
    assert serving(control)[0] == "1"
    assert [version for version, _ in steps(control, before.start_message.run)] == ["1"]
    assert [version for version, _ in steps(control, after.start_message.run)] == ["1"]
    assert control.status()["faults"] == {}


def test_the_journal_says_when_the_model_changed_and_why(
    daemon: SwappableDaemon, control: Control, tmp_path: Path
) -> None:
    with streaming(daemon):
        assert (
            swapped(control, write_toy(tmp_path / "b", "2"), cells=FEW_CELLS)["state"] == "serving"
        )
    changes: list[tuple[int, dict[str, Any]]] = []
    named: list[str] = []
    for topic, meta in records(control):
        if topic == "status" and meta["event"] == "model_changed":
            changes.append((len(set(named)), meta))
        elif topic == "result":
            named.append(meta["model"]["version"])
    ((models_before, change),) = changes
    assert models_before == 1
    assert (change["before"]["version"], change["after"]["version"]) == ("1", "2")
    assert change["why"].startswith("decides like the model before it for 100.00% of")


def test_a_journal_with_two_models_is_read_exported_and_compacted_like_any_other(
    daemon: SwappableDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Control(daemon.ready["control"]) as control, streaming(daemon) as microscope:
        end = swapped(control, write_toy(tmp_path / "b", "2"), cells=FEW_CELLS)
        assert end["state"] == "serving"
    reader = [
        sys.executable,
        str(REFERENCE),
        daemon.ready["results"],
        daemon.ready["control"],
        "1",
        "0",
    ]
    read = subprocess.run(reader, capture_output=True, text=True, timeout=60, check=True)
    assert read.stdout.count(" model_changed ") == 1
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    journal, table = str(daemon.folder / "journal"), tmp_path / "cells.csv"
    assert main(["journal", "verify", journal]) == 0
    assert main(["export", journal, str(table)]) == 0
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == CELLS_A_FRAME * microscope.sent
    assert {(row["model_version"], row["model_sha256"]) for row in rows} == {
        ("1", end["before"]["sha256"]),
        ("2", end["model"]["sha256"]),
    }
    assert main(["journal", "compact", journal, "--drop-run", microscope.start_message.run]) == 0
    assert main(["journal", "verify", journal]) == 0
    capsys.readouterr()
    daemon.start()
    with Control(daemon.ready["control"]) as control, streaming(daemon):
        assert serving(control)[0] == "1"


def with_a_bit_flipped(bundle: Path) -> None:
    content = bytearray((bundle / "golden.npz").read_bytes())
    content[100] ^= 1
    (bundle / "golden.npz").write_bytes(content)


def with_a_link(bundle: Path) -> None:
    (bundle / "model.onnx").rename(bundle.parent / "elsewhere")
    (bundle / "model.onnx").symlink_to(bundle.parent / "elsewhere")


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "classes": ({"classes": ["a", "b", "c"]}, "classes: expected"),
    "markers": ({"markers": ["a", "b", "c", "d"]}, "markers: expected"),
    "pixel size": ({"pixel_size_um": 0.5}, "pixel_size_um: expected"),
    "unit of the markers": ({"marker_unit": "MESF"}, "marker_unit"),
    "shots": ({"shot_sets": [["left", "right"]]}, "shot"),
    "reduction": ({"reduction_kernel": "bsccm-gaussian"}, "reduction_kernel"),
}
HARMED: dict[str, tuple[Callable[[Path], object], str]] = {
    "altered": (with_a_bit_flipped, "golden.npz: expected sha256"),
    "linked": (with_a_link, "not a regular file"),
    "cut": (lambda bundle: os.truncate(bundle / "manifest.json", 99), "not valid JSON"),
    "absent": (lambda bundle: (bundle / "model.onnx").unlink(), "model.onnx is missing"),
}


def test_what_does_not_fit_or_is_not_whole_is_refused_in_one_line_and_the_old_model_serves(
    daemon: SwappableDaemon, control: Control, tmp_path: Path
) -> None:
    sound = write_toy(tmp_path / "sound", "2")
    cases = {
        name: (write_toy(tmp_path / f"unfit-{number}", "2", **changes), says)
        for number, (name, (changes, says)) in enumerate(UNFIT.items())
    }
    for name, (harm, says) in HARMED.items():
        harmed = copied(sound, tmp_path / f"harmed-{name}")
        harm(harmed)
        cases[name] = (harmed, says)
    cases["nowhere"] = (tmp_path / "nowhere", "not a bundle directory")
    with streaming(daemon) as microscope:
        microscope.wait_for(1)
        for name, (bundle, says) in cases.items():
            end = swapped(control, bundle, now=True)
            assert end["state"] == "refused", name
            assert says in end["reason"], name
            assert "\n" not in end["reason"], name
            assert serving(control)[0] == "1", name
        with pytest.raises(Refusal, match="absolute path"):
            control.load_model("sound")
    assert [version for version, _ in steps(control, microscope.start_message.run)] == ["1"]


def test_one_swap_at_a_time_and_a_cancelled_one_leaves_the_old_model(
    daemon: SwappableDaemon, control: Control, tmp_path: Path
) -> None:
    second = write_toy(tmp_path / "b", "2")
    with streaming(daemon) as microscope:
        control.load_model(str(second), {"cells": FOR_EVER})
        assert stands_at(control, "comparing")
        with pytest.raises(Refusal, match="under way"):
            control.load_model(str(second))
        control.cancel_swap()
        assert stands_at(control, "cancelled")
        with pytest.raises(Refusal, match="no swap is under way"):
            control.cancel_swap()
        assert swapped(control, second, cells=FEW_CELLS)["state"] == "serving"
    assert [version for version, _ in steps(control, microscope.start_message.run)] == ["1", "2"]


def test_only_a_model_that_a_trusted_key_signed_goes_live(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret, public, _ = make_signing_keys(tmp_path / "keys", "lab")
    daemon = SwappableDaemon(tmp_path_factory.mktemp("d"), f'trusted_keys = "{public}"\n')
    sign_bundle(daemon.bundle, secret)
    signed, unsigned = write_toy(tmp_path / "s", "2"), write_toy(tmp_path / "u", "3")
    sign_bundle(signed, secret)
    daemon.start()
    try:
        with Control(daemon.ready["control"]) as control, streaming(daemon):
            end = swapped(control, unsigned, now=True)
            assert end["state"] == "refused"
            assert "is not signed" in end["reason"]
            end = swapped(control, signed, cells=FEW_CELLS)
            assert end["state"] == "serving"
            assert end["model"]["signed_by"].startswith("lab (")
    finally:
        daemon.kill()


def test_kill_9_in_any_state_of_a_swap_is_a_kill_like_any_other(
    daemon: SwappableDaemon, tmp_path: Path
) -> None:
    """The configured model serves again, nothing acknowledged is lost, and every frame names who inferred it."""
    second, moody = write_toy(tmp_path / "b", "2"), write_toy(tmp_path / "m", "moody")

    def hangs_at_its_golden_test(control: Control) -> None:
        daemon.set_mood("hang")
        control.load_model(str(moody))
        assert becomes(lambda: control.model_swap()["state"] in ("loading", "testing"))

    def is_compared(control: Control) -> None:
        control.load_model(str(second), {"cells": FOR_EVER})
        assert stands_at(control, "comparing")

    def serves(control: Control) -> None:
        assert swapped(control, second, cells=FEW_CELLS)["state"] == "serving"

    def has_just_begun_to_serve(control: Control) -> None:
        control.load_model(str(second), {"now": True})
        assert becomes(lambda: control.model_swap()["state"] in ("probation", "serving"))

    versions: set[str] = set()
    with streaming(daemon) as microscope:
        for brought_to in (hangs_at_its_golden_test, is_compared, has_just_begun_to_serve, serves):
            with Control(daemon.ready["control"]) as control:
                microscope.wait_for(len(microscope.acked) + 5)
                brought_to(control)
                microscope.wait_for(len(microscope.acked) + 5)
            daemon.kill()
            daemon.start()
            with Control(daemon.ready["control"]) as control:
                assert serving(control)[0] == "1"
                assert control.model_swap()["state"] == "none"
    with Control(daemon.ready["control"]) as control:
        run = microscope.start_message.run
        versions = {version for version, _ in steps(control, run)}
        fates = [meta["fate"] for topic, meta in records(control) if topic == "result"]
    assert versions == {"1", "2"}
    assert fates == ["published"] * microscope.sent


def test_a_daemon_frees_the_model_it_began_with_when_another_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[Engines]] = []

    class Seen(Engines):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            made.append(weakref.ref(self))

    monkeypatch.setattr("phenostream.daemon.model.Engines", Seen)
    served = Served(tmp_path, write_toy(tmp_path / "first", "1"))
    served.start()
    assert served.is_ready.wait(30)
    assert served.ready is not None
    gc.disable()
    try:
        with Control(served.ready.control) as control:
            end = swapped(control, write_toy(tmp_path / "second", "2"), now=True, wait_s=0.1)
        assert end["state"] == "serving"
        assert becomes(lambda: made[0]() is None)
        assert made[1]() is not None
    finally:
        gc.enable()
        assert served.drain() == 0
