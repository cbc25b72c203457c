"""A first start measures the box, a second one reads what the first found; and neither makes a signal wait."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from phenostream.daemon.client.control import Control
from phenostream.deploy.cli.main import main
from tests.system.daemon_process import COMMAND, DaemonProcess
from tests.system.patience import becomes

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
DEMO = Path(__file__).parents[2] / "deploy" / "demo_bundle"
ONE_WAY = (
    'engine_cache = "engines"\nfallback = "none"\nprecision = "fp32"\nstreams = 1\nmax_batch = 4\n'
)
"""A single way to run the model: measured in seconds."""


NEVER_BUSY = (
    sys.executable,
    "-c",
    "import sys; from phenostream.daemon.tuning import choice; choice.BUSY = 1.0\n"
    "from phenostream.deploy.cli.main import main; sys.exit(main(sys.argv[1:]))",
    *COMMAND[3:],
)
"""The daemon, believing what it measured however busy this box is."""


def choice(daemon: DaemonProcess) -> str:
    with Control(daemon.ready["control"]) as control:
        return str(control.status()["engine_choice"])


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    process = DaemonProcess(tmp_path, DEMO, ONE_WAY, command=NEVER_BUSY, backend="onnxruntime")
    yield process
    process.kill()


def drained(daemon: DaemonProcess) -> int:
    daemon.send(signal.SIGTERM)
    return daemon.wait()


def test_the_first_start_measures_and_the_second_one_knows(
    daemon: DaemonProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.start()
    first = choice(daemon)
    assert first.startswith("as model.backend = 'onnxruntime' asks: onnxruntime fp32, 1 stream of ")
    assert "batches of 4" in first
    assert "the only one measured on this box; measured 20" in first
    assert drained(daemon) == 0
    assert main(["check", "--config", str(daemon.config)]) == 0
    assert first.partition("measured 20")[2] in capsys.readouterr().out
    daemon.start()
    assert choice(daemon) == first
    assert daemon.log.read_text().count("ways to run the model") == 1
    assert drained(daemon) == 0


def test_a_signal_while_it_measures_is_not_kept_waiting(daemon: DaemonProcess) -> None:
    process = daemon.spawn()
    assert becomes(
        lambda: daemon.log.exists() and "measuring what this box" in daemon.log.read_text()
    )
    process.send_signal(signal.SIGTERM)
    assert daemon.wait() == 0
    log = daemon.log.read_text()
    assert "measuring ended: it was told to stop" in log
    assert "ways to run the model" not in log
    assert list((daemon.folder / "engines").rglob("*.partial")) == []
    assert list((daemon.folder / "engines" / "measured").iterdir()) == []
