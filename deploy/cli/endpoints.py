"""The endpoints of `config.example.toml`, so that the commands find a daemon that was started with it."""

from typing import Final

INGEST: Final = "ipc:///tmp/phenostream/ingest"
RESULTS: Final = "ipc:///tmp/phenostream/results"
CONTROL: Final = "ipc:///tmp/phenostream/control"
