"""Why a daemon does not take us is asked for in a bounded time, and beside an event loop."""

import asyncio
import socket
import threading
from contextlib import suppress

import pytest
import zmq

from phenostream.daemon.client import rejection
from phenostream.daemon.client.rejection import HandshakeWatch, mechanism


def test_a_peer_that_drips_its_greeting_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejection, "_ANSWER_S", 0.3)
    over, said = threading.Event(), []

    def drip(listening: socket.socket) -> None:
        wire, _ = listening.accept()
        with wire, suppress(OSError):  # who heard enough closes
            while not over.wait(0.05):
                said.append(wire.send(b"x"))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        dripping = threading.Thread(target=drip, args=(listening,), daemon=True)
        dripping.start()
        assert mechanism(f"tcp://127.0.0.1:{listening.getsockname()[1]}") is None
        assert len(said) < 64
        over.set()
        dripping.join(20)


def test_the_event_loop_goes_on_while_the_peer_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def slow(_url: str) -> None:
        asked.set()
        assert may_answer.wait(20)

    monkeypatch.setattr(rejection, "mechanism", slow)

    async def play(watch: HandshakeWatch) -> None:
        checking = asyncio.create_task(watch.check_async())
        while not asked.is_set():
            await asyncio.sleep(0)
        assert not checking.done()
        may_answer.set()
        await checking

    with zmq.Context() as context, context.socket(zmq.DEALER) as handle:
        watch = HandshakeWatch(handle, "tcp://127.0.0.1:9", None)
        events = iter((int(zmq.Event.HANDSHAKE_FAILED_NO_DETAIL), None))
        monkeypatch.setattr(watch, "_next", lambda: next(events))
        asyncio.run(play(watch))
        watch.close()
