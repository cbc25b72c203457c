"""The commands of a page of docs/, run as a reader would type them: one shell, in order, to the end.

A command is a line of a ```console block that begins with ``$ ``; a line that ends in a backslash goes on in the
next. What stands between commands is what they print, for the reader. A command must end with exit code 0, or with N
where its line ends in ``# exit code N``; one whose line ends in ``# Ctrl-C`` is interrupted after some seconds. What a
reader cannot run on a test box belongs in a ```text block.
"""

import re
import selectors
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.system.service.container import ENVIRONMENT, Container

_BLOCK: Final = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
_EXIT: Final = re.compile(r"#\s*exit code (\d+)\s*$")
_INTERRUPTED: Final = re.compile(r"#\s*Ctrl-C\s*$")
_INTERRUPT_AFTER_S: Final = 4
_MARK: Final = "\x1e"
_CHUNK: Final = 1 << 16


@dataclass(frozen=True)
class Command:
    """One command of a page.

    Attributes:
        text: As the reader types it.
        code: The exit code it must end with; None: it is interrupted.
    """

    text: str
    code: int | None


def commands(page: Path) -> list[Command]:
    """All of a page, in order."""
    found = []
    for block in _BLOCK.findall(page.read_text()):
        joined = block.replace("\\\n", "\\\n\x00")
        for line in joined.split("\n"):
            if line.startswith("$ "):
                found.append(line[2:])
            elif line.startswith("\x00"):
                found[-1] += "\n" + line[1:]
    return [_command(text) for text in found]


def _command(text: str) -> Command:
    told = _EXIT.search(text)
    interrupted = _INTERRUPTED.search(text) is not None
    return Command(text, None if interrupted else int(told[1]) if told else 0)


class Shell:
    """A login shell inside a container; a context manager."""

    def __init__(self, machine: Container, folder: str) -> None:
        self._process = subprocess.Popen(
            machine.entering("bash", "--noprofile", "--norc"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
        )
        self.run(Command(f"cd {folder}", 0), 10.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def run(self, command: Command, timeout_s: float) -> str:
        """Type it, and wait for its end; what it printed.

        Raises:
            AssertionError: It ended otherwise than the page says, or not at all.
        """
        assert self._process.stdin is not None
        text = command.text
        if command.code is None:
            text = f"timeout --signal=INT {_INTERRUPT_AFTER_S} {text}"
        # In braces, so that no command reads from our input what is meant for the shell.
        line = f"{{\n{text}\n}} </dev/null\nprintf '\\n{_MARK}%d\\n' $?\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()
        said, code = self._heard(time.monotonic() + timeout_s)
        assert code is not None, f"$ {text}\nno end within {timeout_s:g} s: {said[-3000:]}"
        wanted = (124, 130, 0) if command.code is None else (command.code,)
        assert code in wanted, f"$ {text}\nexit code {code}, expected {wanted[0]}: {said[-3000:]}"
        return said

    def _heard(self, deadline_s: float) -> tuple[str, int | None]:
        assert self._process.stdout is not None
        output, said = self._process.stdout, b""
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while selector.select(max(0.0, deadline_s - time.monotonic())):
                part = output.read1(_CHUNK)  # type: ignore[attr-defined]  # a BufferedReader
                said += part
                if not part:
                    break
                told = re.search(f"\n?{_MARK}(\\d+)\n", said.decode(errors="replace"))
                if told:
                    return said.decode(errors="replace")[: told.start()], int(told[1])
        return said.decode(errors="replace"), None
