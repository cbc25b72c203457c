"""The whole daemon in a thread of this process, so that a fault can be planted."""

import threading
from pathlib import Path
from typing import Any

import zmq

from phenostream.daemon.client.control import Control, Stored
from phenostream.daemon.config import parse_config
from phenostream.daemon.lifecycle import Ready, serve
from phenostream.daemon.wire.codec import pack, unpack_result
from phenostream.daemon.wire.results import FrameRecord, decode_frame


class Served(threading.Thread):
    """`serve` in a thread; its exit code or exception."""

    def __init__(
        self,
        folder: Path,
        bundle: Path,
        model: dict[str, Any] | None = None,
        limits: dict[str, int] | None = None,
    ) -> None:
        super().__init__(name="served", daemon=True)
        values = {
            "journal": {"directory": "journal"},
            "model": {"bundle": str(bundle), "backend": "fake", "streams": 1} | (model or {}),
            "limits": limits or {},
        }
        self.config = parse_config(values, folder)
        self.ready: Ready | None = None
        self.is_ready = threading.Event()
        self.code: int | None = None

    def run(self) -> None:
        self.code = serve(self.config, self.note)

    def note(self, ready: Ready) -> None:
        self.ready = ready
        self.is_ready.set()

    @property
    def ingest(self) -> str:
        assert self.is_ready.wait(30)
        assert self.ready is not None
        return self.ready.ingest

    def frames(self) -> list[FrameRecord]:
        """Every result of the journal."""
        assert self.ready is not None
        with Control(self.ready.control) as control:
            records: list[Stored] = []
            since = 0
            while (batch := control.get(since)).records:
                records += batch.records
                since = records[-1].offset + 1
        return [decode_frame(one.payload) for one in records if one.topic == "result"]

    def ask(self, kind: str) -> dict[str, Any]:
        assert self.ready is not None
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.connect(self.ready.control)
            dealer.send(pack({"v": 1, "id": 1, "type": kind}))
            assert dealer.poll(10_000)
            return unpack_result(dealer.recv())

    def drain(self) -> int | None:
        self.ask("drain")
        self.join(30)
        return self.code
