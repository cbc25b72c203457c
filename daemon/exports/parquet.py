"""Rows as Parquet: typed columns, units and meanings as field metadata, one row group a batch."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.exports.rows import RowColumn, Rows
from phenostream.engine.errors import MissingPackage

_TYPES: Final = {
    "text": "string",
    "u64": "uint64",
    "u32": "uint32",
    "f32": "float32",
    "bool": "bool_",
}
METADATA_KEY: Final = "phenostream"
"""Schema metadata: a JSON object with models, runs, fates, synthetic or not, and the note on use."""


class ParquetFile:
    """A Parquet file being written; floats that are not known are null."""

    def __init__(self, path: Path, columns: Sequence[RowColumn]) -> None:
        """Create the file.

        Raises:
            MissingPackage: pyarrow is not installed.
        """
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as err:
            raise MissingPackage(
                "pyarrow is not installed: pip install 'phenostream[exports]'"
            ) from err
        self._arrow: Any = pyarrow
        self._schema = pyarrow.schema([_field(pyarrow, column) for column in columns])
        self._writer: Any = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: Rows) -> None:
        """Append one row group."""
        arrays = [
            self._arrow.array(rows[field.name], type=field.type, from_pandas=True)
            for field in self._schema
        ]
        self._writer.write_table(self._arrow.table(arrays, schema=self._schema))

    def close(self, about: dict[str, Any]) -> None:
        """Write what the table is about into the metadata, and the footer."""
        if about:
            self._writer.add_key_value_metadata({METADATA_KEY: json.dumps(about)})
        self._writer.close()


def _field(pyarrow: Any, column: RowColumn) -> Any:
    metadata = {"unit": column.unit, "meaning": column.meaning}
    return pyarrow.field(column.name, getattr(pyarrow, _TYPES[column.kind])(), metadata=metadata)
