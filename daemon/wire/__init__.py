"""The wire contract v1: what crosses a socket, and nothing else (tables in `docs/wire.md`)."""
