"""What a process can do here: run inside a unit's sandbox it must be nothing, outside of it much.

`python3 probe.py` tries everything and prints one JSON map of probe to ``through`` or the error's name. It knows the
standard library only: the system's Python runs it in the place of the daemon, by the unit's ExecStartPre. The folders
called `hole` are made by the harness, open to everybody: who cannot write there is kept out by the sandbox alone.
"""

import ctypes
import errno
import json
import os
import platform
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

HOLES = ("/etc/hole", "/usr/hole", "/opt/hole", "/var/hole", "/home/hole")
_NUMBERS = {
    "x86_64": {"bpf": 321, "keyctl": 250, "io_uring_setup": 425, "userfaultfd": 323},
    "aarch64": {"bpf": 280, "keyctl": 219, "io_uring_setup": 425, "userfaultfd": 282},
}
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_KEYCTL_GET_KEYRING_ID, _KEY_SPEC_PROCESS = 0, ctypes.c_int(-2)
_LIBC = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def _call(name: str, *arguments: object) -> None:
    """Make a system call with arguments that mean nothing: who is told so has reached the kernel."""
    ctypes.set_errno(0)
    if _LIBC.syscall(_NUMBERS[platform.machine()][name], *arguments) < 0:
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.EFAULT):
            raise OSError(number, "refused")


def _write(path: str) -> None:
    Path(path).write_text("x")


def _write_new(folder: str) -> None:
    """A file that nobody else has made: one of another user would keep us out, and not the sandbox."""
    path = Path(folder, f"probe-{os.getpid()}-{os.getuid()}")
    path.write_text("x")
    path.unlink()


def _in_child(action: Callable[[], None]) -> None:
    """Do in a child what would change us; its errno comes back as ours."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except OSError as err:
            os._exit(err.errno or 255)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code > 0:
        raise OSError(code, "refused")
    if code < 0:
        raise OSError(errno.EPERM, "killed")


def _own(folder: str, name: str) -> str:
    """A file in the first of the unit's own folders of a kind, such as ``STATE_DIRECTORY``."""
    return f"{os.environ[folder].split(':')[0]}/{name}"


def _setuid_bit() -> None:
    path = Path(
        _own("STATE_DIRECTORY", "setuid") if "STATE_DIRECTORY" in os.environ else "/root/setuid"
    )
    path.write_text("x")
    try:
        path.chmod(0o4755)
    finally:
        path.unlink()


def _others() -> None:
    """Raises where no process of anybody else is seen."""
    seen = [one for one in Path("/proc").iterdir() if one.name.isdigit()]
    if all(one.stat().st_uid == os.getuid() for one in seen):
        raise OSError(errno.ESRCH, "only our own are seen")


def _kill_init() -> None:
    os.kill(1, signal.SIGCONT)


def _realtime() -> None:
    """A sandbox may say that it is done and do nothing."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    if os.sched_getscheduler(0) != os.SCHED_FIFO:
        raise OSError(errno.EPERM, "nothing was done")


def _mount() -> None:
    ctypes.set_errno(0)
    _checked(_LIBC.mount(b"none", b"/tmp", b"tmpfs", 0, None))


def _unshare(flags: int) -> Callable[[], None]:
    def leave() -> None:
        ctypes.set_errno(0)
        _checked(_LIBC.unshare(flags))

    return leave


def _mounted_apart() -> None:
    _unshare(_CLONE_NEWNS)()
    _mount()


def _trace() -> None:
    ctypes.set_errno(0)
    _checked(_LIBC.ptrace(0, 0, 0, 0))


def _hostname() -> None:
    socket.sethostname(socket.gethostname())


def _clock() -> None:
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME))


def _make_node() -> None:
    os.mknod("/tmp/node-probe", 0o20600, os.makedev(1, 3))  # noqa: S108 - a name of its own
    Path("/tmp/node-probe").unlink()  # noqa: S108 - the same


def _socket(family: int, kind: int) -> Callable[[], None]:
    return lambda: socket.socket(family, kind).close()


def _thread() -> None:
    one = threading.Thread(target=len, args=("",))
    one.start()
    one.join()


DENIED: dict[str, Callable[[], None]] = {
    **{f"write {hole}": partial(_write_new, hole) for hole in HOLES},
    "read /root": lambda: _checked(len(os.listdir("/root"))),
    "AF_PACKET": _socket(17, socket.SOCK_RAW),
    "AF_NETLINK": _socket(16, socket.SOCK_RAW),
    "ptrace": lambda: _in_child(_trace),
    "unshare user": lambda: _in_child(_unshare(_CLONE_NEWUSER)),
    "unshare mount": lambda: _in_child(_unshare(_CLONE_NEWNS)),
    "mount": lambda: _in_child(_mounted_apart),
    "setuid bit": _setuid_bit,
    "setuid 0": lambda: _in_child(lambda: os.setuid(0)),
    "chroot": lambda: _in_child(lambda: os.chroot("/")),
    "mknod": _make_node,
    "realtime": lambda: _in_child(_realtime),
    "hostname": _hostname,
    "clock": _clock,
    "bpf": lambda: _call("bpf", 0, None, 0),
    "keyctl": lambda: _call("keyctl", _KEYCTL_GET_KEYRING_ID, _KEY_SPEC_PROCESS, 1),
    "io_uring": lambda: _call("io_uring_setup", 0, None),
    "userfaultfd": lambda: _call("userfaultfd", 0),
    "kernel log": lambda: os.close(os.open("/dev/kmsg", os.O_RDONLY)),
    "write /proc/sys": lambda: _write("/proc/sys/vm/drop_caches"),
    "signal PID 1": _kill_init,
    "other processes": _others,
}
"""What must not work in a sandbox."""

ALLOWED: dict[str, Callable[[], None]] = {
    "write state": lambda: _write(_own("STATE_DIRECTORY", "probe")),
    "write cache": lambda: _write(_own("CACHE_DIRECTORY", "probe")),
    "write /run": lambda: _write(_own("RUNTIME_DIRECTORY", "probe")),
    "write /tmp": lambda: _write("/tmp/probe"),  # noqa: S108 - the unit's own
    "AF_UNIX": _socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "thread": _thread,
}
"""What a daemon cannot work without."""


def tried(probes: dict[str, Callable[[], None]]) -> dict[str, str]:
    """Each probe's outcome."""
    outcome = {}
    for name, probe in probes.items():
        try:
            probe()
            outcome[name] = "through"
        except KeyError as err:
            outcome[name] = f"no {err}"
        except OSError as err:
            outcome[name] = errno.errorcode.get(err.errno or 0, str(err))
    return outcome


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"denied": tried(DENIED), "allowed": tried(ALLOWED)}) + "\n")
