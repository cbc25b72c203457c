"""Files that appear whole or not at all, also when the power fails or the disk is full while they are written."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, on the disk before it has its name; one that is there is replaced.

    Raises:
        OSError: It cannot be written, named in the error; what was there before is there still, and nothing beside it.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as err:
        raise OSError(err.errno, err.strerror or str(err), str(path)) from err
    finally:
        partial.unlink(missing_ok=True)
