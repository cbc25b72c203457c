"""systemd as PID 1 on the files of this machine, thrown away afterwards; no image, no second root file system.

    with Container(shown={ROOT / "tests": "/opt/service-test/tests"}) as machine:
        machine.run("systemctl", "is-system-running")

Everything written inside goes to an overlay in memory, but for the folders that are `kept`. The network is its own,
with a loopback and nothing else. Needs root and the package systemd-container (installed with apt where it may be).
One at a time on a machine: others wait. Whatever ends this process ends the container too (`keeper`).

Not enforced inside, where the machine has no cgroup v2 controllers to lend: MemoryMax, TasksMax, CPUQuota, DeviceAllow,
IPAddressDeny. `virtual_machine` shows those.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, Self

from tests.system.daemon_process import ROOT

LOCK: Final = Path(tempfile.gettempdir()) / "nspawn.lock"
BOOT_S: Final = 60.0
_LOOK_S: Final = 0.02
_PACKAGE: Final = "systemd-container"
_ADMIN: Final = Path("/etc/systemd/system")
_NOT_NEEDED: Final = ("console-getty.service", "systemd-logind.service", "systemd-journal-flush.service",
                      "systemd-update-utmp.service", "systemd-resolved.service")  # fmt: skip
"""Units of every systemd that only cost time in a container without users."""
ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}


class NoBoot(AssertionError):
    """The container did not come up; the text ends with what its console said."""


def lacking() -> str | None:
    """Why this machine cannot boot a container, after trying to install what is missing; None if it can."""
    if os.geteuid() != 0:
        return "needs root, to boot a container"
    if shutil.which("systemd-nspawn") is None and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (
            ["update", "-qq"],
            ["install", "-y", "-qq", "--no-install-recommends", _PACKAGE],
        ):
            subprocess.run(["apt-get", *words], env=quiet, capture_output=True, check=False)
    missing = [
        one for one in ("systemd-nspawn", "nsenter", "unshare", "setpriv") if not shutil.which(one)
    ]
    return f"no {', '.join(missing)} (package {_PACKAGE})" if missing else None


class Container:
    """One, from `with` to its end.

    Args:
        shown: Folders or files of this machine by where they are seen inside, read only.
        kept: The same, writable: what is written there stays.
    """

    def __init__(
        self, shown: Mapping[Path, str] | None = None, kept: Mapping[Path, str] | None = None
    ) -> None:
        self._arguments = [
            "--private-network",
            *(f"--bind-ro={path}:{inside}" for path, inside in (shown or {}).items()),
            *(f"--bind={path}:{inside}" for path, inside in (kept or {}).items()),
            "systemd.unit=multi-user.target",
            *(f"systemd.mask={name}" for name in (*_NOT_NEEDED, *_enabled_here())),
        ]
        self._folder = Path()
        self._lock: IO[str] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Self:
        """Wait for our turn, boot, and wait until systemd has started what it wants to start."""
        self._lock = LOCK.open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        except BaseException:
            self._end()
            raise
        self._folder = Path(tempfile.mkdtemp(prefix="service-box-"))
        self._keeper = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.system.service.keeper",
                str(self._folder),
                *self._arguments,
            ],
            stdin=subprocess.PIPE,
            cwd=ROOT,
            pass_fds=[self._lock.fileno()],  # held until all is cleaned up, whoever dies before
            start_new_session=True,  # keys pressed in a terminal are for us
        )
        try:
            self._wait_for_boot()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """End it at once, and wait until nothing of it is left."""
        self._end()

    def run(
        self,
        *words: str,
        user: str | None = None,
        timeout_s: float = 60.0,
        text_in: str | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command inside, as root or a user; its exit code is for the caller to judge."""
        return subprocess.run(
            self.entering(*words, user=user),
            input=text_in,
            stdin=subprocess.DEVNULL if text_in is None else None,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=ENVIRONMENT,
            check=False,
        )

    def must(self, *words: str, user: str | None = None, timeout_s: float = 60.0) -> str:
        """As `run`, for what has to work: what it printed."""
        done = self.run(*words, user=user, timeout_s=timeout_s)
        said = f"{done.stdout}{done.stderr}".strip()[-2000:]
        assert done.returncode == 0, f"{' '.join(words)}: exit code {done.returncode}: {said}"
        return done.stdout

    def entering(self, *words: str, user: str | None = None) -> list[str]:
        """The command of this machine that runs a command inside; to be run with `ENVIRONMENT`."""
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
        home = ["env", f"HOME=/home/{user}"]
        return [
            *("nsenter", f"--target={self._leader}", "--all", "--"),
            *([*become, *home] if user else []),
            *words,
        ]

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside, with the folders above it."""
        script = 'umask 022; mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"'
        done = self.run("sh", "-c", script, "write", path, f"{mode:o}", text_in=text)
        assert done.returncode == 0, f"{path}: {done.stderr}"

    def read(self, path: str) -> str:
        """A file inside, as text."""
        return self.must("cat", path)

    def _wait_for_boot(self) -> None:
        deadline_s = time.monotonic() + BOOT_S
        state = ""
        while state not in ("running", "degraded"):
            if time.monotonic() > deadline_s or (self._keeper and self._keeper.poll() is not None):
                raise NoBoot(f"systemd is not up ({state or 'no PID 1'}): {self._console()}")
            time.sleep(_LOOK_S)  # a PID 1 that is not there yet tells nobody
            self._leader = self._leader or self._found_leader()
            if self._leader:
                state = self.run("systemctl", "is-system-running").stdout.strip()

    def _found_leader(self) -> int:
        """PID 1 of the container as this machine counts: two process namespaces below ours."""
        depth = len(_numbers("self")) + 2
        at = [self._keeper.pid] if self._keeper else []
        while at:
            pid = at.pop()
            numbers = _numbers(str(pid))
            if len(numbers) == depth and numbers[-1] == "1":
                return pid
            at += _children(pid)
        return 0

    def _console(self) -> str:
        try:
            return (self._folder / "console").read_bytes()[-2000:].decode(errors="replace")
        except OSError as err:
            return str(err)

    def _end(self) -> None:
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
            self._keeper.wait()
        if self._lock is not None:
            self._lock.close()


def _enabled_here() -> list[str]:
    """What the administrator of this machine enabled: none of it belongs in a test."""
    return sorted({path.name for path in _ADMIN.glob("*.wants/*")})


def _numbers(pid: str) -> list[str]:
    """A process's numbers, one a namespace from ours inwards; none when it has ended."""
    try:
        status = Path("/proc", pid, "status").read_text()
    except OSError:
        return []
    return next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
