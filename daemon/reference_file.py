"""The file of a population that summaries are compared with: read at start, written by `phenostream summarise`."""

from pathlib import Path

from phenostream.engine.errors import BadInput
from phenostream.engine.summary.reference import LONGEST_TEXT, Reference, reference_of


def read_reference(path: Path) -> Reference:
    """Read and check a reference.

    Raises:
        BadInput: One line: what is wrong with it, and what is allowed.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_TEXT + 1)
        return reference_of(content.decode("utf-8"))
    except FileNotFoundError as err:
        raise BadInput(f"{path}: there is no such file") from err
    except UnicodeDecodeError as err:
        raise BadInput(f"{path}: reference: not text in UTF-8") from err
    except OSError as err:
        raise BadInput(f"{path}: {(err.strerror or str(err)).lower()}") from err
    except BadInput as err:
        raise BadInput(f"{path}: {err}") from err


def write_reference(path: Path, reference: Reference) -> None:
    """Write a reference to a path, which must not exist.

    Raises:
        BadInput: It cannot be created.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(reference.as_text())
    except OSError as err:
        raise BadInput(f"{path}: {(err.strerror or str(err)).lower()}") from err
