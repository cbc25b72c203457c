"""Rows as Parquet: typed columns, one row group a batch; units, models and the rest as metadata of the schema."""

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
    "bool or empty": "bool_",
}
METADATA_KEY: Final = "phenostream"
"""Schema metadata: a JSON object with columns and units, models, runs, fates, synthetic or not, and the note on use."""


class ParquetFile:
    """A Parquet file being written; what is not known is null."""

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
        self._schema = pyarrow.schema(
            [(column.name, getattr(pyarrow, _TYPES[column.kind])()) for column in columns]
        )
        # Only without a stored Arrow schema do readers show metadata that is known at the end.
        self._writer: Any = parquet.ParquetWriter(
            path, self._schema, compression="zstd", store_schema=False
        )

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
