"""The lines of a text file of somebody else, none of which may be longer than any result could make it."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phenostream.engine.errors import BadInput

MOST_CHARACTERS: Final = 256 << 20
"""Of one line: what the longest result there may be takes as JSON."""


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Every line with its number from 1, line end included; the last may lack it.

    Raises:
        BadInput: The file cannot be read, or a line is too long or no UTF-8: names both.
    """
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for number in itertools.count(1):
                line = file.readline(MOST_CHARACTERS + 1)
                if len(line) > MOST_CHARACTERS:
                    raise BadInput(
                        f"{path}: line {number}: more than the {MOST_CHARACTERS} characters of any result"
                    )
                if not line:
                    return
                yield number, line
    except OSError as err:
        raise BadInput(f"{path}: {(err.strerror or str(err)).lower()}") from err
    except UnicodeDecodeError as err:
        raise BadInput(f"{path}: line {number}: {err}") from err
