"""The connection that dies once."""

import os
import threading
from pathlib import Path

import pytest
import zmq

from phenostream.daemon.client.link import Link, LinkLost


def _answer_and_close(url: str, bound: threading.Event) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.bind(url)
    bound.set()
    peer, _ = router.recv_multipart()
    for answer in (b"one", b"two"):
        router.send_multipart([peer, answer])
    router.close(1000)
    context.term()


def test_what_arrived_before_the_loss_is_received_first(tmp_path: Path) -> None:
    """Once in four trials it was not while libzmq's own reconnecting was switched off by -1."""
    url = f"ipc://{tmp_path}/x.sock"
    for _ in range(20):
        bound = threading.Event()
        peer = threading.Thread(target=_answer_and_close, args=(url, bound))
        peer.start()
        assert bound.wait(5)
        with zmq.Context() as context, Link(context, url) as link:
            link.send([b"hello"])
            assert [link.receive(5), link.receive(5)] == [[b"one"], [b"two"]]
            with pytest.raises(LinkLost, match="the connection closed"):
                link.receive(5)
        peer.join()


def test_an_address_without_a_listener_is_lost_at_once(tmp_path: Path) -> None:
    with (
        zmq.Context() as context,
        Link(context, f"ipc://{tmp_path}/none.sock") as link,
        pytest.raises(LinkLost, match="nothing listens there"),
    ):
        link.receive(5)


@pytest.mark.parametrize("closed", ["folder", "socket"])
def test_a_user_who_is_kept_out_of_an_ipc_socket_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    path = tmp_path / "ingest"
    path.touch()  # a socket that cannot be opened looks like this to libzmq
    place, needed = (tmp_path, os.X_OK) if closed == "folder" else (path, os.W_OK)
    monkeypatch.setattr(os, "access", lambda where, how: (where, how) != (place, needed))
    with (
        zmq.Context() as context,
        Link(context, f"ipc://{path}") as link,
        pytest.raises(
            LinkLost, match=f"{place} is closed to this user, open to .* {place.group()}"
        ),
    ):
        link.receive(5)


def test_silence_is_none_after_the_timeout(tmp_path: Path) -> None:
    url = f"ipc://{tmp_path}/x.sock"
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.bind(url)
        with Link(context, url) as link:
            assert link.receive(0.02) is None
