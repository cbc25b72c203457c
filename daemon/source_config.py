"""The configuration of one best-effort source: a foreign microscope that is listened to and never answered."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from phenostream.daemon.endpoint import Endpoint
from phenostream.daemon.wire.ingest import Name

MOST_SOURCES: Final = 16
_MIB: Final = 1 << 20


class SourceConfig(BaseModel):
    """One entry of ``[[sources]]``.

    Attributes:
        name: In logs, in the status and in every run's run_started record.
        socket: ``pull``: the source pushes, and waits while the daemon has too much. ``sub``: the source publishes, and
            what the daemon cannot take is lost and counted.
        endpoint: Where to listen or where the source listens.
        link: ``bind``: sources connect to the daemon; ``connect``: the daemon connects to the source.
        topic: Messages have a leading part that begins with this text; None: they begin with the header.
        max_frame_bytes: Largest data part; a larger one closes its connection.
        receive_budget_bytes: What may wait, received and unread, on one connection.
        idle_end_s: A run that was quiet for this long is ended: its END was lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    name: Name
    socket: Literal["pull", "sub"]
    endpoint: Endpoint
    link: Literal["bind", "connect"] = "bind"
    topic: Annotated[str, Field(max_length=64)] | None = None
    max_frame_bytes: Annotated[int, Field(ge=64 << 10, le=4 << 30)] = 128 * _MIB
    receive_budget_bytes: Annotated[int, Field(ge=64 << 10, le=64 << 30)] = 128 * _MIB
    idle_end_s: Annotated[float, Field(ge=1, le=86400)] = 300.0

    @model_validator(mode="after")
    def _consistent(self) -> "SourceConfig":
        if self.topic is not None and self.socket != "sub":
            raise ValueError(f"topic {self.topic!r}: allowed with socket 'sub' only")
        if self.link == "connect" and (
            self.endpoint.startswith("tcp://*:") or self.endpoint.endswith(":*")
        ):
            raise ValueError(f"endpoint {self.endpoint}: allowed tcp://HOST:PORT to connect to")
        return self
