"""A microscope in a thread: one lossless run, as fast as it may, until it is told that it is enough."""

import threading
from typing import Any

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.wire.ingest import Ack, Report, Start


class Microscope(threading.Thread):
    """Sends frames as fast as it may until it is told to stop, and remembers every acknowledgement."""

    def __init__(
        self,
        url: str,
        start: Start,
        frame: Any,
        *,
        single_shots: bool = False,
        most_unacked: int | None = None,
        pause_s: float = 0.0,
    ) -> None:
        """Prepare.

        Args:
            url: The daemon's ingest endpoint.
            start: Of its run.
            frame: What every frame holds.
            single_shots: Shots one by one, those of two frames mixed.
            most_unacked: Frames ahead of the acknowledgements; None: as the credit allows.
            pause_s: How long it rests after a frame.
        """
        super().__init__(name="microscope")
        self.url, self.start_message, self.frame = url, start, frame
        self.single_shots = single_shots
        self.most_unacked = most_unacked
        self.pause_s = pause_s
        self.acked: list[int] = []
        self.enough = threading.Event()
        self.progressed = threading.Condition()
        self.report: Report | None = None
        self.sent = 0
        self.reconnects = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with Sender(self.url, "scope", SenderSettings(reconnect_timeout_s=50)) as sender:
                sender.on_ack = self.note
                sender.start(self.start_message)
                while not self.enough.is_set():
                    self.wait_for_room(sender)
                    self.send(sender)
                    if self.pause_s:
                        sender.wait(self.pause_s)
                if self.single_shots:
                    self.send_shots(sender, self.sent - 1, 2, 4)
                self.report = sender.finish()
                self.reconnects = sender.counts.reconnects
        except BaseException as err:
            self.failure = err
        finally:
            with self.progressed:
                self.progressed.notify_all()

    def wait_for_room(self, sender: Sender) -> None:
        while (
            self.most_unacked is not None
            and sender.counts.unacked >= self.most_unacked
            and not self.enough.is_set()
        ):
            sender.wait(0.005)

    def send(self, sender: Sender) -> None:
        """The next frame whole; or its first two shots, and the last two of the frame before it."""
        if self.single_shots:
            self.send_shots(sender, self.sent, 0, 2)
            self.send_shots(sender, self.sent - 1, 2, 4)
        else:
            sender.send(self.sent, self.frame)
        self.sent += 1

    def send_shots(self, sender: Sender, seq: int, first: int, stop: int) -> None:
        for which, counts in list(zip(self.start_message.shots, self.frame, strict=True))[
            first:stop
        ]:
            if seq >= 0:
                sender.send_shot(seq, which, counts)

    def note(self, ack: Ack) -> None:
        with self.progressed:
            self.acked.append(ack.frame_seq)
            self.progressed.notify_all()

    def wait_for(self, count: int) -> None:
        """Until `count` frames are acknowledged."""
        with self.progressed:
            assert self.progressed.wait_for(
                lambda: len(self.acked) >= count or not self.is_alive(), 40
            )
        assert self.failure is None
