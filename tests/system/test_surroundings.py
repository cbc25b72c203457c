"""Bad surroundings met by the real commands, `run` and `check`: one line that names what, where and what is allowed."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.security.key_folder import make_server
from phenostream.daemon.wire.ingest import Start
from tests.system.daemon_process import DaemonProcess
from tests.system.patience import becomes
from tests.system.small_camera import Image
from tests.system.test_disk_full import mount_small, status

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("unshare") is None,
        reason="needs root, to give files to others and to mount",
    ),
]
NOBODY = 65534
AS_NOBODY = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
)  # fmt: skip
"""He may read everything, as the interpreter may lie where only root can, and write what is his."""
PROGRAM = (sys.executable, "-m", "phenostream.deploy.cli")


@pytest.fixture
def daemon(make_daemon: Callable[..., DaemonProcess]) -> DaemonProcess:
    made: DaemonProcess = make_daemon()
    made.folder.chmod(0o755)
    return made


def refusals(daemon: DaemonProcess, code: int, prefix: tuple[str, ...] = ()) -> list[str]:
    """What `run` and `check` say last, both of which end with `code` and without a traceback."""
    daemon.prefix = prefix or daemon.prefix
    daemon.spawn()
    assert daemon.wait() == code, daemon.log.read_text()
    checked = subprocess.run(
        [*daemon.prefix, *PROGRAM, "check", "--config", str(daemon.config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == code, checked.stderr
    for said in (daemon.log.read_text(), checked.stderr):
        assert "Traceback" not in said
    lines = [daemon.log.read_text().splitlines()[-1], checked.stderr.splitlines()[-1]]
    return [line.partition(": ")[2] for line in lines]


def test_a_journal_of_another_user_is_refused_to_root_and_a_file_of_root_to_the_user(
    daemon: DaemonProcess,
) -> None:
    journal = daemon.folder / "journal"
    journal.mkdir()
    os.chown(journal, NOBODY, NOBODY)
    by_root = refusals(daemon, 2)
    assert (
        by_root
        == [
            f"journal.directory: {journal}: {journal} belongs to user {NOBODY}, mode 0755, allowed one of user 0 (us), "
            "or run it as the user whose it is"
        ]
        * 2
    )
    stray = journal / f"{0:020d}.journal"
    stray.touch(0o600)
    for path in (daemon.folder, *daemon.folder.iterdir()):
        if path != stray:
            os.chown(path, NOBODY, NOBODY)
    by_user = refusals(daemon, 2, AS_NOBODY)
    assert (
        by_user
        == [
            f"journal.directory: {stray}: {stray} belongs to user 0, mode 0600, allowed one that user {NOBODY} "
            f"(us) may read and write (chown {NOBODY} {stray})"
        ]
        * 2
    )


def test_a_secret_key_that_others_can_read_is_refused(daemon: DaemonProcess) -> None:
    make_server(daemon.folder / "keys")
    key = daemon.folder / "keys/server.key"
    key.chmod(0o644)
    daemon.extra = '[security]\nkeys = "keys"\n'
    line = f"{key}: mode 0644 lets others at a secret, allowed 0600 or stricter (chmod 600 {key})"
    assert refusals(daemon, 2) == [line] * 2


def test_a_read_only_disk_is_refused(daemon: DaemonProcess) -> None:
    mount_small(daemon, "journal", "ro,size=1m")
    line = (
        f"journal.directory: {daemon.folder}/journal: on a read-only file system, allowed one that can be written "
        "(mount -o remount,rw)"
    )
    assert refusals(daemon, 2) == [line] * 2


def test_a_second_daemon_on_the_same_journal_or_port_is_refused(
    daemon: DaemonProcess, make_daemon: Callable[..., DaemonProcess]
) -> None:
    daemon.extra = '[ingest]\nendpoint = "tcp://127.0.0.1:*"\n'
    ready = daemon.start()
    port = make_daemon(f'[ingest]\nendpoint = "{ready["ingest"]}"\n')
    by_run, by_check = refusals(port, 2)
    assert by_run == f"ingest.endpoint: {ready['ingest']}: address already in use"
    assert by_check == f"ingest.endpoint: {ready['ingest']}: in use by another program"
    journal = make_daemon(folder=daemon.folder)
    journal.log = daemon.folder / "second.log"
    assert (
        refusals(journal, 2)
        == [
            f"journal.directory: {daemon.folder}/journal: in use by another daemon (process {daemon.pid})"
        ]
        * 2
    )


def test_tensorrt_without_a_driver_is_refused_as_a_fault_of_the_box(daemon: DaemonProcess) -> None:
    """Exit code 1, not 2: a driver may come a moment later, and a unit tries again."""
    daemon.backend = "tensorrt"
    line = (
        "model.backend: 'tensorrt': no NVIDIA driver is installed (libcuda.so.1); allowed with a CUDA device, or "
        "'auto', 'openvino', 'onnxruntime'"
    )
    assert refusals(daemon, 1) == [line] * 2


def test_no_space_degrades_a_start_and_is_over_when_there_is_room(
    daemon: DaemonProcess, small_start: Callable[..., Start], small_frame: Image
) -> None:
    mount_small(daemon, "journal", "size=64k", "head -c 99999 /dev/zero > ballast || true")
    ready = daemon.start()
    fault = status(ready["control"])["faults"]["space"]
    assert fault == (
        f"journal.directory: {daemon.folder}/journal: no space left: 0 bytes free, allowed 65536 or more; until then "
        "frames stay with their source"
    )
    seen = Path(f"/proc/{daemon.pid}/root{daemon.folder}/journal")
    subprocess.run(
        [
            "nsenter",
            "-t",
            str(daemon.pid),
            "-m",
            "mount",
            "-o",
            "remount,size=4m",
            str(daemon.folder / "journal"),
        ],
        check=True,
    )
    (seen / "ballast").unlink()
    assert becomes(lambda: status(ready["control"])["faults"] == {})
    with Sender(ready["ingest"], "scope") as sender:
        sender.start(small_start())
        for seq in range(5):
            sender.send(seq, small_frame)
        assert sender.finish().ledger["published"] == 5
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0


def test_a_clock_in_1970_degrades_and_withholds_nothing(
    daemon: DaemonProcess,
    small_start: Callable[..., Start],
    small_frame: Image,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATED_UTC_S", "61")
    dated = (sys.executable, "-m", "tests.system.dated")
    daemon.command = (*dated, "run", "--json", "--config")
    ready = daemon.start()
    line = "clock: it says 1970-01-01T00:0"
    assert becomes(lambda: status(ready["control"])["faults"].get("clock", "").startswith(line))
    with Sender(ready["ingest"], "scope") as sender:
        sender.start(small_start())
        sender.send(0, small_frame)
        assert sender.finish().ledger["published"] == 1
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 3
    checked = subprocess.run(
        [*dated, "check", "--config", str(daemon.config)],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
            ),
        },
    )
    assert checked.returncode == 3, checked.stderr
    assert "would start, degraded" in checked.stdout
    assert line in checked.stdout
