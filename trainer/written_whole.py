"""Files that appear whole or not at all, also when the power fails or the disk is full while they are written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def opened_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which has its name, and is on the disk, once the block ends; one that is there is replaced.

    Raises:
        OSError: It cannot be written, named in the error; what was there before is there still, and nothing beside it.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as err:
        raise OSError(err.errno, err.strerror or str(err), str(path)) from err
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file of these bytes.

    Raises:
        OSError: As `opened_whole`.
    """
    with opened_whole(path) as file:
        file.write(content)
