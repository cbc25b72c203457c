"""The Python SDK: send frames, subscribe to results, ask the daemon."""

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.subscriber import Record, Subscriber

__all__ = ["Control", "Record", "Sender", "Subscriber"]
