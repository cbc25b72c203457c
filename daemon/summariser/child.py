"""A worker's process and its two pipes: messages in and out with a deadline, and a sure end.

Knows nothing of what a message means, nor when to start again.
"""

import os
import select
import subprocess
import tempfile
import time
from collections import deque
from typing import IO, Any, Final

from phenostream.daemon.summariser.framing import Unframer, framed
from phenostream.engine.errors import BadMessage, EngineFault

_READ_BYTES: Final = 1 << 16
_LAST_BYTES: Final = 4096
_LONGEST_WORDS: Final = 200
_LEAVING_S: Final = 5.0
"""For the system to end a process that was killed."""
_LAST_WORDS_S: Final = 1.0
"""For a process to end that closed its output."""

_SCRATCH: Final = "phenostream-"
"""How the folder of a process's temporary files begins: whoever is killed removes none of its own."""
_NO_DEBUGGER: Final = {"GGML_NO_BACKTRACE": "1"}
"""When llama.cpp fails it would start a debugger on itself, and wait for it."""


class Lost(EngineFault):
    """The process is of no use any more: it ended, or said what is no message."""


class Late(EngineFault):
    """It has not answered in time."""


class Child:
    """One process, from its start to its end.

    Attributes:
        began_s: When it was started, `time.monotonic`.
    """

    def __init__(self, program: tuple[str, ...], threads: int) -> None:
        """Start it.

        Args:
            program: Command line.
            threads: What numeric libraries in it may start by themselves.

        Raises:
            Lost: It cannot begin.
        """
        self.began_s = time.monotonic()
        pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        settings = {**dict.fromkeys(pools, str(threads)), **_NO_DEBUGGER}
        self._scratch = tempfile.TemporaryDirectory(prefix=_SCRATCH, ignore_cleanup_errors=True)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                program,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env={**os.environ, **settings, "TMPDIR": self._scratch.name},
                start_new_session=True,  # keys pressed in a terminal are for its owner
            )
        except OSError as err:
            self._said.close()
            self._scratch.cleanup()
            raise Lost(f"it cannot begin: {err.strerror or err}") from err
        self._unframer, self._heard = Unframer(), deque[dict[str, Any]]()
        os.set_blocking(self._jobs, False)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def say(self, message: dict[str, Any], due_s: float) -> None:
        """Send a message.

        Args:
            message: Plain values.
            due_s: Until when that may take, `time.monotonic`.

        Raises:
            BadMessage: It is too long.
            Late: The process does not read.
            Lost: It has ended.
        """
        content = memoryview(framed(message))
        while content:
            if not select.select([], [self._jobs], [], _left_s(due_s))[1]:
                raise Late("it does not read what it is asked")
            try:
                content = content[os.write(self._jobs, content) :]
            except BrokenPipeError as err:
                raise Lost(self._last_words()) from err

    def hear(self, due_s: float) -> dict[str, Any]:
        """The next message.

        Raises:
            Late: None has come until `due_s`.
            Lost: The process has ended, or what came is no message.
        """
        while not self._heard:
            if not select.select([self._answers], [], [], _left_s(due_s))[0]:
                raise Late("it did not answer in time")
            content = os.read(self._answers, _READ_BYTES)
            if not content:
                raise Lost(self._last_words())
            try:
                self._heard.extend(self._unframer.feed(content))
            except BadMessage as err:
                raise Lost(f"it said what is no answer: {err}") from err
        return self._heard.popleft()

    def settled(self) -> None:
        """It has begun and needs no temporary files any more: removed now, not even our own end leaves any."""
        self._scratch.cleanup()

    def end(self) -> None:
        """Kill it, wait for its end, close the pipes, remove its temporary files; calling it twice is harmless.

        Raises:
            EngineFault: The system does not end it within 5 s.
        """
        self._process.kill()
        try:
            self._process.wait(_LEAVING_S)
        except subprocess.TimeoutExpired as err:
            raise EngineFault(f"process {self.pid} was killed and does not end") from err
        finally:
            for pipe in (self._process.stdin, self._process.stdout, self._said):
                if pipe is not None:
                    pipe.close()
            self._scratch.cleanup()

    @property
    def _jobs(self) -> int:
        return _number(self._process.stdin)

    @property
    def _answers(self) -> int:
        return _number(self._process.stdout)

    def _last_words(self) -> str:
        """How it ended, and the end of what it said on standard error."""
        try:
            code = self._process.wait(_LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            return "it closed its pipes and went on"
        how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        size = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, size - _LAST_BYTES))
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return f"{how}: {one_line(lines[-1])}" if lines else how


def one_line(said: object) -> str:
    """What a process says that may be anybody's by now, as it may stand in a log."""
    text = str(said)[:_LONGEST_WORDS]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _number(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise EngineFault("a worker's pipes are not connected")
    return pipe.fileno()


def _left_s(due_s: float) -> float:
    return max(0.0, due_s - time.monotonic())
