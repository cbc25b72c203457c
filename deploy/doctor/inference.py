"""One inference by the daemon's own code in a process of its own: outside the unit's sandbox, or inside it.

A library that crashes, hangs or is forbidden something ends that process, and the doctor tells of it: a runtime, or
libzmq, whose threads end the process where the sandbox does not let them begin.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import zmq

from phenostream.daemon.config import Config
from phenostream.daemon.model import served_model
from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.security.keys import SERVER_PAIR, KeyPair
from phenostream.daemon.socket_options import bind
from phenostream.deploy.child import PROGRAM
from phenostream.deploy.doctor.account import Account, acting_as
from phenostream.engine.errors import EngineFault

INSIDE: Final = "--inside"
"""Argument of `phenostream doctor` in that process."""
CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
"""Set by systemd for a unit that is handed secrets."""
_CRASHED: Final = "Fatal Python error"
"""How Python's own report of a crash begins; what a library says before it ends the process stands above it."""
LONGEST_S: Final = 300.0
"""A TensorRT plan may have to be built first."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """What that process says.

    Attributes:
        load_s: Until the bundle was verified, loaded, golden and had inferred a full batch.
        batch: Cells in it.
    """

    backend: str
    precision: str
    device: str
    load_s: float
    batch: int

    def __str__(self) -> str:
        return (
            f"{self.backend} {self.precision} on {self.device}: golden self-test passed, a batch of {self.batch} cells "
            f"inferred, {self.load_s:.1f} s with loading"
        )

    @classmethod
    def parsed(cls, text: str) -> Self:
        """From the last line that is an object.

        Raises:
            EngineFault: There is none of ours.
        """
        for line in reversed(text.splitlines()):
            try:
                told = json.loads(line)
                return cls(**told)
            except (ValueError, TypeError):
                continue
        raise EngineFault("it said nothing that the doctor understands")


def infer_once(config: Config) -> dict[str, Any]:
    """Load the configured model as a daemon does, infer, and in a unit read the secret key that it is handed.

    Raises:
        PhenostreamError: As a daemon's start would.
    """
    if config.security.keys is not None and CREDENTIALS in os.environ:  # outside it is root's alone
        KeyPair.read(config.security.keys, SERVER_PAIR)
    _open_sockets(config)
    began_s = time.monotonic()
    with served_model(readable(config.model), measure=None) as model:
        said = model.describe()
        took_s = time.monotonic() - began_s
        names = ("backend", "precision", "device")
        plain = {name: str(said[name]) for name in names}
        return asdict(Inferred(**plain, load_s=took_s, batch=model.max_batch))


def _open_sockets(config: Config) -> None:
    """Listen for a moment, in the ways that the daemon does, where nobody else does.

    Raises:
        BadConfig: One cannot be opened.
    """
    schemes = {url.partition("://")[0] for _, url in config.endpoints()}
    with tempfile.TemporaryDirectory() as folder, zmq.Context() as context:
        places = {"ipc": f"ipc://{folder}/s", "tcp": "tcp://127.0.0.1:*"}
        for scheme in sorted(schemes):
            with context.socket(zmq.ROUTER) as socket:
                bind(socket, places[scheme], scheme)


def readable(model: ModelConfig) -> ModelConfig:
    """The model's section without the engine cache, unless that is there and ours: the daemon's user makes it."""
    cache = model.engine_cache
    if cache is not None and cache.exists() and cache.stat().st_uid == os.geteuid():
        return model
    return model.model_copy(update={"engine_cache": None})


def asked_outside(path: Path, account: Account) -> Inferred:
    """Infer once as the daemon's user, with nothing else around it.

    Raises:
        EngineFault: It did not; the text says why.
        NotThatUser: We cannot be he.
    """
    with acting_as(account):
        pass  # asked before: `subprocess` would only say that it is not permitted
    words = [*PROGRAM, "doctor", INSIDE, "--config", str(path)]
    if account.is_us:
        return answer_of(words)
    return answer_of(words, account)


def answer_of(words: Sequence[str], account: Account | None = None) -> Inferred:
    """Run a command that infers once, and wait for it.

    Args:
        words: The command line.
        account: Who runs it; only root can name another.

    Raises:
        EngineFault: It cannot begin, takes too long, or fails; the text ends with its last line.
    """
    us = {}
    if account is not None:
        us = {"user": account.uid, "group": account.gid, "extra_groups": account.groups}
    try:
        done = subprocess.run(  # noqa: S603 - our own command, no shell
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
            cwd="/",
            **us,  # type: ignore[call-overload]  # a dictionary of keywords has one type of value
        )
    except subprocess.TimeoutExpired as err:
        raise EngineFault(f"it took longer than {LONGEST_S:g} s and was ended") from err
    except OSError as err:
        raise EngineFault(f"it cannot begin: {err.filename or words[0]}: {err.strerror}") from err
    if done.returncode != 0:
        raise EngineFault(_last_words(done.stderr, done.returncode))
    return Inferred.parsed(done.stdout)


def _last_words(said: str, code: int) -> str:
    """Why it failed: its last line, what it said before it crashed, or by which signal it died."""
    lines = [line for line in said.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if line.startswith(_CRASHED):
            return "; ".join(lines[max(0, number - 1) : number + 1])
    if code < 0:
        return f"it was ended by signal {-code}"
    return lines[-1].removeprefix("phenostream doctor: ") if lines else f"it ended with code {code}"
