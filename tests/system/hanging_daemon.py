"""A daemon process that hangs in one place on command; the product has no such switch, so a runner patches it.

The place is a word in a file, read whenever one of the places is come by: ``ingest`` (a message is received),
``inference`` (a batch is in the backend), ``journal`` (a write is made durable), ``none``. Who hangs there makes a file
``PLACE.hangs`` beside it and goes on when the word changes.

As a program: `python -m tests.system.hanging_daemon FILE COMMAND ...` runs `phenostream COMMAND ...`.
"""

import sys
from pathlib import Path
from threading import Event
from typing import Any, Final

from phenostream.daemon.journal.log import Journal
from phenostream.daemon.sources.desk import IngestDesk
from phenostream.deploy.cli.main import main
from phenostream.engine.backends.fake import FakeBackend

PLACES: Final[dict[str, tuple[Any, str]]] = {
    "ingest": (IngestDesk, "receive"),
    "inference": (FakeBackend, "infer"),
    "journal": (Journal, "sync"),
}
NOWHERE: Final = "none"
_LOOK_S: Final = 0.02


def hangs(word: Path, place: str) -> Path:
    """The file that is there once somebody hangs in a place."""
    return word.with_name(f"{place}.hangs")


def plant(word: Path, place: str) -> None:
    """Have whoever comes by a place hang there while the file says so."""
    owner, name = PLACES[place]
    sound = getattr(owner, name)

    def passing(*args: Any, **more: Any) -> Any:
        while word.read_text() == place:
            hangs(word, place).touch()
            Event().wait(_LOOK_S)
        return sound(*args, **more)

    setattr(owner, name, passing)


if __name__ == "__main__":
    for one in PLACES:
        plant(Path(sys.argv[1]), one)
    sys.exit(main(sys.argv[2:]))
