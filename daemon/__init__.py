"""The process: wire, sources, pipeline, ledger, journal, publisher, lifecycle."""
