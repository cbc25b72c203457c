"""A model's file on its way onto this box: hashed while it is written, judged, and only then where it can be found."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from phenostream.daemon.summariser.llm.card import ModelCard
from phenostream.daemon.summariser.llm.fitness import refuse_unfit
from phenostream.daemon.summariser.llm.gguf import GgufHeader, read_header
from phenostream.deploy.language_models.shelf import write_card
from phenostream.engine.errors import BadLanguageModel

_SPARE_BYTES: Final = 64 << 20
"""What a disk must have left besides the model."""
OnSize = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A whole file that is fit to be used, not yet where it can be found.

    Attributes:
        sha256: Of the file.
        size_bytes: Of the file.
        header: What it says about itself.
    """

    sha256: str
    size_bytes: int
    header: GgufHeader


class Arrival:
    """Takes the bytes of one model; made by `arriving`.

    Attributes:
        size: Bytes so far.
    """

    def __init__(self, path: Path, file: IO[bytes], most_bytes: int, on_size: OnSize) -> None:
        self.size = 0
        self._path = path
        self._file = file
        self._most_bytes = most_bytes
        self._on_size = on_size
        self._digest = hashlib.sha256()

    @property
    def room(self) -> int:
        """Bytes that may still come."""
        return self._most_bytes - self.size

    def write(self, data: bytes, /) -> None:
        """Take some.

        Raises:
            BadLanguageModel: More come than may.
        """
        if len(data) > self.room:
            raise BadLanguageModel(f"more than the {self._most_bytes} bytes that may come")
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)
        self._on_size(self.size)

    def judge(self, sha256: str | None) -> Arrived:
        """See all of it on disk, and whether it is what it should be.

        Args:
            sha256: What it must have; None: any.

        Raises:
            BadLanguageModel: Its hash is another one, it is no whole GGUF, or it is no chat model.
        """
        found = self._digest.hexdigest()
        if sha256 is not None and found != sha256:
            raise BadLanguageModel(f"{self.size} bytes of sha256 {found}, allowed {sha256}")
        self._file.flush()
        os.fsync(self._file.fileno())
        try:
            header = read_header(self._path)
        except BadLanguageModel as err:  # the file that it names is about to go
            raise BadLanguageModel(str(err).removeprefix(f"{self._path}: ")) from err
        refuse_unfit(header)
        return Arrived(found, self.size, header)

    def settle(self, model: Path, card: ModelCard) -> None:
        """Put it where it can be found, in place of what was there."""
        self._path.chmod(0o644)
        write_card(model, card)
        self._path.replace(model)


@contextmanager
def arriving(
    partial: Path, expected_bytes: int, most_bytes: int, on_size: OnSize
) -> Iterator[Arrival]:
    """A place for a model, in the folder where it will lie; what did not settle is removed.

    Args:
        partial: What it is called meanwhile; its folder is made if it is not there.
        expected_bytes: How large it will be.
        most_bytes: The most that may come.
        on_size: Told how much is here, after each piece.

    Raises:
        BadLanguageModel: The disk has no room for it, or another process is fetching it.
    """
    folder = partial.parent
    folder.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(folder).free, expected_bytes + _SPARE_BYTES
    if free < needed:
        raise BadLanguageModel(f"{folder}: {free >> 20} MiB free, needed {needed >> 20} MiB")
    with _alone(partial) as file:
        try:
            yield Arrival(partial, file, most_bytes, on_size)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _alone(partial: Path) -> Iterator[IO[bytes]]:
    """The file, empty and locked; what a killed process left of it is overwritten."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(file.fileno()), os.stat(partial))
        except (BlockingIOError, FileNotFoundError):
            is_ours = False  # somebody else writes it, or has just settled it
        if not is_ours:
            raise BadLanguageModel(f"{partial}: another process is fetching this model")
        file.truncate()
        yield file
