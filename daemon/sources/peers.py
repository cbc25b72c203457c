"""The connections that have said HELLO, and what each has outstanding under its credit."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

_MOST_PEERS: Final = 1024
NOBODY: Final = b""
"""Stands for a source that is not answered and has no credit; no connection has this identity."""


@dataclass(slots=True)
class _Peer:
    instrument: str
    outstanding_bytes: int = 0


class Peers:
    """At most 1,024 connections; the one that was silent longest is forgotten first. Belongs to the ingest thread."""

    def __init__(self, credit_bytes: int) -> None:
        """Nobody is there."""
        self._credit_bytes = credit_bytes
        self._peers: OrderedDict[bytes, _Peer] = OrderedDict()
        self._outstanding_bytes = 0

    def greet(self, peer: bytes, instrument: str) -> None:
        """HELLO arrived; on a connection that said it before, what is outstanding stays so."""
        known = self._peers.setdefault(peer, _Peer(instrument))
        known.instrument = instrument
        self._peers.move_to_end(peer)
        if len(self._peers) > _MOST_PEERS:
            _, forgotten = self._peers.popitem(last=False)
            self._outstanding_bytes -= forgotten.outstanding_bytes

    def instrument(self, peer: bytes) -> str | None:
        """Who it said it was, or None before HELLO."""
        known = self._peers.get(peer)
        if known is None:
            return None
        self._peers.move_to_end(peer)
        return known.instrument

    def overdrawn(self, peer: bytes, size: int) -> str | None:
        """Why `size` more bytes are beyond the credit; None if they are not. One frame is always allowed."""
        if peer == NOBODY:
            return None
        outstanding = self._peers[peer].outstanding_bytes
        if not outstanding or outstanding + size <= self._credit_bytes:
            return None
        return f"{outstanding} bytes unacknowledged, allowed {self._credit_bytes}"

    def charge(self, peer: bytes, size: int) -> None:
        """Bytes were received."""
        if peer != NOBODY:
            self._peers[peer].outstanding_bytes += size
            self._outstanding_bytes += size

    def refund(self, peer: bytes, size: int) -> None:
        """They are acknowledged; harmless for a connection that is forgotten, or was and said HELLO again."""
        known = self._peers.get(peer)
        if known is not None:
            returned = min(size, known.outstanding_bytes)
            known.outstanding_bytes -= returned
            self._outstanding_bytes -= returned

    def told(self) -> dict[str, int]:
        """How much of their credit the connections use, as plain values; from any thread."""
        return {
            "connections": len(self._peers),
            "bytes_each": self._credit_bytes,
            "outstanding_bytes": self._outstanding_bytes,
        }
