"""What a sender may be told and what it tells about itself."""

from dataclasses import dataclass
from enum import StrEnum

from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.wire.ingest import Encoding


class SenderState(StrEnum):
    """Where a sender stands; `LOST` means it is trying to reconnect."""

    CLOSED = "closed"
    CONNECTING = "connecting"
    STREAMING = "streaming"
    LOST = "lost"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """How patient a sender is.

    Attributes:
        connect_timeout_s: For the first WELCOME and STARTED.
        reconnect_timeout_s: For a daemon that was lost to come back.
        send_timeout_s: For credit, counted from the last acknowledgement; None waits as long as the daemon lives.
        report_timeout_s: At the end of a run, counted from the last acknowledgement.
        crc: Send the CRC-32 of every frame's data (the transport itself checks nothing over ipc).
        encoding: How `Sender.send` packs counts; ``blosc2`` needs the extra ``compression`` on both ends.
        keys: Ours and the daemon's, for a daemon on tcp.
    """

    connect_timeout_s: float = 10.0
    reconnect_timeout_s: float = 60.0
    send_timeout_s: float | None = None
    report_timeout_s: float = 60.0
    crc: bool = False
    encoding: Encoding = "raw"
    keys: ClientKeys | None = None


@dataclass(frozen=True, slots=True)
class SenderCounts:
    """What became of a run's frames so far, as far as this sender was told.

    Attributes:
        sent: Distinct frames handed over, whole or with a shot.
        published: Acknowledged with that fate; likewise `dropped`, `quarantined`, `failed`.
        settled_unseen: Known to have a fate (after a resume) without having seen which.
        refused: Frames the daemon refused for good.
        resent: Sent a second time after a loss.
        reconnects: Losses of the daemon.
        unacked: Frames kept for their acknowledgement.
        unacked_bytes: Credit taken on this connection: the data bytes of frames that are not acknowledged.
    """

    sent: int = 0
    published: int = 0
    dropped: int = 0
    quarantined: int = 0
    failed: int = 0
    settled_unseen: int = 0
    refused: int = 0
    resent: int = 0
    reconnects: int = 0
    unacked: int = 0
    unacked_bytes: int = 0
