"""The configuration of the monitor: the process beside the daemon that speaks HTTP."""

import ipaddress
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from phenostream.daemon.endpoint import BasedPath, is_local

_MOST_PORT: Final = 65535
_FORM: Final = (
    "allowed ADDRESS:PORT, an IP address or localhost, IPv6 in brackets, PORT 1 to 65535 or *"
)


def _address(text: str) -> str:
    if not text:
        return text
    host, _, port = text.rpartition(":")
    numbered = port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= _MOST_PORT
    if not (numbered or port == "*") or not _is_host(host):
        raise ValueError(_FORM)
    return text


def _is_host(host: str) -> bool:
    if host == "localhost":
        return True
    bare = host[1:-1] if host[:1] == "[" and host[-1:] == "]" else host
    try:
        return (ipaddress.ip_address(bare).version == 6) == (bare != host)
    except ValueError:
        return False


def _collector(url: str) -> str:
    if not url:
        return url
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not url.isprintable() or " " in url:
        raise ValueError("allowed http:// or https://, HOST, :PORT and a path")
    return url


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


class MonitorConfig(BaseModel):
    """Where metrics, health and the status page are, and who serves them.

    Attributes:
        address: ``ADDRESS:PORT`` that HTTP is served at; empty: nowhere.
        keys: The monitor's folder of `phenostream keys client`, where control is on tcp with keys. Empty: none.
        traces_to: OpenTelemetry collector that some frames' traces are sent to, ``http://HOST:PORT``. Empty: none.
        traces_one_in: A frame in so many is traced, and each that was not published.
        start: `phenostream run` starts the monitor; false: somebody else does, such as a unit of systemd.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    address: Annotated[str, Field(max_length=64), AfterValidator(_address)] = ""
    keys: BasedPath | None = None
    traces_to: Annotated[str, Field(max_length=1024), AfterValidator(_collector)] = ""
    traces_one_in: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    start: bool = True

    _none = field_validator("keys", mode="before")(_none_if_empty)

    @property
    def is_local(self) -> bool:
        """Whether only programs of this box can ask; also where nobody can."""
        return not self.address or is_local(f"tcp://{self.address}")

    @property
    def host(self) -> str:
        """Of the address, without brackets."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Of the address; 0: any that is free."""
        port = self.address.rpartition(":")[2]
        return 0 if port == "*" else int(port)
