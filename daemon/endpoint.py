"""Paths and ZeroMQ addresses as a configuration may give them; relative ones start at the configuration's folder."""

import ipaddress
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, ValidationInfo

_LONGEST_IPC_PATH: Final = 107


def based(path: Path, info: ValidationInfo) -> Path:
    """The absolute path; the validation context's ``base`` is where a relative one starts."""
    base: Path = (info.context or {}).get("base", Path())
    return (base / path.expanduser()).resolve()


def _endpoint(url: str, info: ValidationInfo) -> str:
    scheme, _, rest = url.partition("://")
    if scheme == "ipc" and rest:
        path = str(based(Path(rest), info))
        if len(path.encode()) > _LONGEST_IPC_PATH:
            raise ValueError(f"a socket path of at most {_LONGEST_IPC_PATH} bytes, this is {path}")
        return f"ipc://{path}"
    host, _, port = rest.rpartition(":")
    if scheme == "tcp" and host and (port == "*" or _is_port(port)):
        return url
    raise ValueError("allowed ipc://PATH or tcp://ADDRESS:PORT, PORT from 1 to 65535")


def is_local(url: str) -> bool:
    """Whether only this box can be at the other end."""
    scheme, _, rest = url.partition("://")
    host = rest.rpartition(":")[0].strip("[]")
    if scheme == "ipc" or host in ("localhost", "lo"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535


Endpoint = Annotated[str, AfterValidator(_endpoint)]
BasedPath = Annotated[Path, AfterValidator(based)]
