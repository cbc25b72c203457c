"""Names that a stranger put into a bundle, all the way: daemon, journal, `watch`, `summarise`; most never come in."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.wire.codec import pack, unpack_result
from phenostream.daemon.wire.ingest import decode_from_source
from phenostream.engine.bundle import load_bundle
from phenostream.engine.errors import BadBundle, BadMessage
from phenostream.engine.manifest import SEAL, sealed
from phenostream.engine.summary import quantities
from phenostream.engine.summary.facts import Facts
from tests.system import small_camera
from tests.system.daemon_process import DaemonProcess
from tests.system.toy_bundle import write_toy_bundle
from tests.truth.hostile import HOSTILE

pytestmark = pytest.mark.system
UNIT: Final = " ".join(sorted(HOSTILE.values(), key=len))[: quantities.LONGEST_NAME]
"""Of the names of a bundle that are shown, its unit alone may be any text; a model's name has 64 characters."""
PHENOSTREAM: Final = (sys.executable, "-m", "phenostream.deploy.cli")


def write_bundle(folder: Path, lines: dict[str, Any]) -> Path:
    """The toy bundle with other lines in its manifest."""
    folder.mkdir()
    write_toy_bundle(folder)
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content.pop(SEAL, None)
    path.write_text(json.dumps(sealed(content | lines)))
    return folder


@pytest.fixture
def hostile_daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    """A daemon on a bundle in which every name that may be chosen is an attack."""
    lines = {"marker_unit": UNIT, "name": HOSTILE["a terminal's escapes"]}
    bundle = write_bundle(tmp_path / "bundle", lines)
    (tmp_path / "d").mkdir()
    daemon = DaemonProcess(tmp_path / "d", bundle)
    yield daemon
    daemon.kill()


def shown(*command: str) -> str:
    """What a command of ours says, all of it."""
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return (done.stdout + done.stderr).decode()


def is_harmless(text: str) -> bool:
    """No sign moves a cursor, turns the writing or is not seen; lines end as ours do."""
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.timeout(120)
def test_hostile_names_of_a_bundle_do_nothing_to_whoever_reads(
    hostile_daemon: DaemonProcess,
) -> None:
    ready = hostile_daemon.start()
    start = small_camera.small_start()
    with Sender(ready["ingest"], start.instrument) as sender:
        sender.start(start)
        for seq in range(3):
            sender.send(seq, small_camera.small_frame())
        assert sender.finish().ledger["published"] == 3
    with Control(ready["control"]) as control:
        records = [unpack_result(one.payload) for one in control.get(0, 8 << 20).records]
    told = next(one for one in records if one.get("type") == "summary")
    facts = Facts.from_dict(told["facts"])
    assert facts.marker_unit == UNIT
    assert facts.model.startswith(HOSTILE["a terminal's escapes"])
    assert told["text"].isprintable()
    assert len(told["text"].encode()) < 4096
    assert told["text"].endswith("Research use only, not a diagnosis.")
    watched = shown(*PHENOSTREAM, "watch", ready["results"], "--since", "0", "--until-end")
    assert is_harmless(watched)
    for style in ("bedside", "lab", "line"):
        command = [*PHENOSTREAM, "summarise", ready["control"], "--style", style, "--llm", "none"]
        text = shown(*command)
        assert "Research use only, not a diagnosis." in text
        assert is_harmless(text)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bundle_cannot_have_such_classes_or_markers_at_all(name: str, tmp_path: Path) -> None:
    hostile = HOSTILE[name]
    for number, lines in enumerate(
        ({"classes": [hostile, "b", "c"]}, {"markers": [hostile, "b", "c", "d"]})
    ):
        with pytest.raises(BadBundle) as refusal:
            load_bundle(write_bundle(tmp_path / str(number), lines))
        assert str(refusal.value).isprintable()
        assert len(str(refusal.value)) < 400


@pytest.mark.parametrize("name", HOSTILE)
def test_a_microscope_cannot_have_such_a_name_at_all(name: str) -> None:
    plain = small_camera.small_start().model_dump(mode="json")
    with pytest.raises(BadMessage) as refusal:
        decode_from_source(pack(plain | {"instrument": HOSTILE[name]}))
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 400
