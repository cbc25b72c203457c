"""Where a process beside a daemon finds it: the summariser and the monitor, by the daemon's own configuration."""

from typing import Final

from phenostream.engine.errors import BadConfig

_LOOPBACK: Final = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - compared, never bound
"""Where a socket is reached from its own box that is bound to all addresses."""


def reached(endpoint: str, section: str) -> str:
    """The address to connect to where the daemon listens at `endpoint`, from the same box.

    Raises:
        BadConfig: Only the daemon knows its port.
    """
    scheme, _, rest = endpoint.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "tcp":
        return endpoint
    if port == "*":
        raise BadConfig(
            f"{section}.endpoint: {endpoint}: allowed a port, or --{section} URL as the daemon said it"
        )
    return f"tcp://{_LOOPBACK.get(host, host)}:{port}"
