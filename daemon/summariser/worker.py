"""The process with the language model: `python -m phenostream.daemon.summariser.worker`, started by `link`.

Messages of `framing` on standard input: first how to open the model, then one job at a time. On standard output
``ready`` or ``refused``, then ``done`` or ``failed`` for each job. Whatever a library prints goes to standard error. It
ends when its input does, and when an allocation fails: what a library does after that cannot be trusted.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

from phenostream.daemon.summariser.framing import Unframer, framed
from phenostream.daemon.summariser.limits import take_limits
from phenostream.daemon.summariser.llm.bindings import open_language_model
from phenostream.daemon.summariser.llm.protocol import LanguageModel, Opening
from phenostream.engine.errors import BadInput, MissingPackage, PhenostreamError

_READ_BYTES: Final = 1 << 16
OUT_OF_MEMORY: Final = "out of memory"


def main() -> int:
    """Serve until there is no more input; 0, or 1 where the model could not be opened or memory ran out."""
    answers = _own_output()
    jobs = _messages(sys.stdin.fileno())
    setup = next(jobs, None)
    if setup is None:
        return 1
    try:
        model = _opened(setup)
    except (PhenostreamError, MemoryError) as err:
        _say(
            answers, {"refused": _line(err), "lasting": isinstance(err, BadInput | MissingPackage)}
        )
        return 1
    _say(answers, {"ready": asdict(model.facts)})
    try:
        return _serve(model, jobs, answers)
    finally:
        model.close()


def _opened(setup: dict[str, Any]) -> LanguageModel:
    path = Path(setup["path"])
    take_limits(setup["memory_bytes"], _size(path), setup["parent"])
    opening = Opening(path, setup["threads"], setup["context_tokens"])
    return open_language_model(opening, setup["binding"])


def _serve(model: LanguageModel, jobs: Iterator[dict[str, Any]], answers: IO[bytes]) -> int:
    for job in jobs:
        try:
            done = model.complete(
                job["messages"],
                grammar=job["grammar"],
                max_tokens=job["max_tokens"],
                deadline_s=job["deadline_s"],
                seed=job["seed"],
            )
        except (PhenostreamError, MemoryError) as err:
            over = isinstance(err, MemoryError)
            _say(answers, {"failed": _line(err), "over": over})
            if over:
                return 1
            continue
        _say(answers, {"done": asdict(done)})
    return 0


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _own_output() -> IO[bytes]:
    """Standard output for us alone; what anything else prints there goes to standard error."""
    ours = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return ours


def _messages(source: int) -> Iterator[dict[str, Any]]:
    unframer = Unframer()
    while content := os.read(source, _READ_BYTES):
        yield from unframer.feed(content)


def _say(answers: IO[bytes], message: dict[str, Any]) -> None:
    answers.write(framed(message))
    answers.flush()


def _line(err: PhenostreamError | MemoryError) -> str:
    return OUT_OF_MEMORY if isinstance(err, MemoryError) else str(err)


if __name__ == "__main__":
    sys.exit(main())
