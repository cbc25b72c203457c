"""Rows as CSV (RFC 4180: comma, CRLF, quotes doubled, first line the names); units go to a JSON file beside it."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.daemon.exports.rows import RowColumn, Rows

_WORDS: Final[dict[object, str]] = {None: "", False: "false", True: "true"}


class CsvFile:
    """A CSV file being written. Numbers are the shortest decimals of their float32; what is not known is empty."""

    def __init__(self, path: Path, columns: Sequence[RowColumn]) -> None:
        """Create the file with its first line."""
        self._columns = columns
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\r\n")
        self._writer.writerow([column.name for column in columns])

    def write(self, rows: Rows) -> None:
        """Append rows."""
        texts = [_texts(rows[column.name]) for column in self._columns]
        self._writer.writerows(zip(*texts, strict=True))

    def close(self, about: dict[str, Any]) -> None:
        """Close; what the table is about goes into the file of units."""
        self._file.close()


def _texts(values: npt.NDArray[Any]) -> list[Any]:
    if values.dtype.kind == "f":
        texts: list[str] = np.where(np.isnan(values), "", values.astype("U32")).tolist()
        return texts
    if values.dtype.kind in "bO":
        return [_WORDS.get(value, value) for value in values.tolist()]
    plain: list[Any] = values.tolist()
    return plain
