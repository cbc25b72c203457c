"""Running the box's own programs: their failure is one line with what they said last."""

import os
import subprocess
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from phenostream.deploy.install.errors import InstallFailed

_NOT_TAKEN_ALONG: Final = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""Of our environment: another Python would find our packages in it."""


class Run(Protocol):
    """How a program is run; a test has its own."""

    def __call__(
        self, command: Sequence[str], on_line: Callable[[str], None] = lambda line: None
    ) -> str:
        """Run it to its end and return what it printed; called with each line at once.

        Raises:
            InstallFailed: It is not there, or its exit code was not 0.
        """


def run(command: Sequence[str], on_line: Callable[[str], None] = lambda line: None) -> str:
    """See `Run`; standard error is taken together with standard output, and nothing is asked."""
    env = {key: value for key, value in os.environ.items() if key not in _NOT_TAKEN_ALONG}
    try:
        process = subprocess.Popen(  # noqa: S603 - our own words, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=env,
            cwd="/",
            close_fds=False,  # it holds the lock of `only_one` too: all else here is closed by the kernel at its start
        )
    except OSError as err:
        raise InstallFailed(f"{command[0]}: {err.strerror}") from err
    said: list[str] = []
    with process:
        for line in process.stdout or ():
            said.append(line)
            on_line(line.rstrip("\n"))
    if process.returncode:
        raise InstallFailed(f"{' '.join(command)[:200]}: {last_words(said)}")
    return "".join(said)


def last_words(lines: Sequence[str]) -> str:
    """What tells most of a failure: the last line that says error, else the last of all."""
    told = [line.strip() for line in lines if line.strip()]
    if not told:
        return "it failed and said nothing"
    return next((line for line in reversed(told) if "error" in line.lower()), told[-1])[:300]
