"""Startup, drain and refusals of a real process with real signals."""

import signal
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings, SenderState
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.recovery import recover
from phenostream.daemon.wire.codec import pack, unpack_result
from phenostream.daemon.wire.ingest import Ack, Start
from phenostream.daemon.wire.results import TOPICS, WELCOME_TOPIC, decode_offset

pytestmark = pytest.mark.system
Image = np.ndarray[Any, Any]


def ask(endpoint: str, request: dict[str, Any]) -> list[bytes]:
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.connect(endpoint)
        dealer.send(pack({"v": 1, "id": 7, **request}))
        assert dealer.poll(10_000)
        return dealer.recv_multipart()


def records(directory: Path) -> list[Record]:
    seen: list[Record] = []
    Journal(directory, on_record=seen.append).close()
    return seen


def test_ready_within_three_seconds_and_gone_with_exit_0(make_daemon: Callable[..., Any]) -> None:
    daemon = make_daemon()
    ready = daemon.start()
    assert ready["startup_s"] < 3
    for section in ("ingest", "results", "control"):
        assert Path(ready[section].removeprefix("ipc://")).is_socket()
    assert Path(ready["ingest"].removeprefix("ipc://")).parent.stat().st_mode & 0o777 == 0o700
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    assert "every received frame has its fate" in daemon.log.read_text()


def test_sigterm_in_mid_stream_drains_with_an_exact_ledger(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    """What was received gets its fate; the rest stays with its source, which goes on with the next daemon."""
    daemon = make_daemon()
    ready = daemon.start()
    start = small_start()
    acked: list[int] = []
    lost = threading.Event()

    def note(ack: Ack) -> None:
        acked.append(ack.frame_seq)
        if len(acked) == 40:
            daemon.send(signal.SIGTERM)

    def watch(state: SenderState) -> None:
        if state is SenderState.LOST and not lost.is_set():
            lost.set()
            assert daemon.wait() == 0
            in_journal = [
                unpack_result(record.payload)["frame_seq"]
                for record in records(daemon.folder / "journal")
                if record.topic == "result"
            ]
            assert sorted(in_journal) == sorted(set(in_journal))
            assert set(acked) <= set(in_journal)
            drained.append(len(in_journal))
            daemon.start()

    drained: list[int] = []
    with Sender(ready["ingest"], "scope", SenderSettings(reconnect_timeout_s=40)) as sender:
        sender.on_ack, sender.on_state = note, watch
        sender.start(start)
        for seq in range(400):
            sender.send(seq, small_frame)
        report = sender.finish()
    assert lost.is_set()
    log = daemon.log.read_text()
    (line,) = [line for line in log.splitlines() if "every received frame has its fate" in line]
    assert (
        f"since this journal began: frames {drained[0]} received, {drained[0]} published, "
        "0 dropped, 0 quarantined, 0 failed, 0 missing; cells " in line
    )
    assert report.ledger["received"] == report.ledger["published"] == 400
    assert report.ledger["missing"] == 0


def test_a_drain_can_be_asked_for_over_the_control_socket(make_daemon: Callable[..., Any]) -> None:
    daemon = make_daemon()
    control = daemon.start()["control"]
    (status,) = ask(control, {"type": "status"})
    assert unpack_result(status)["status"]["state"] == "ready"
    (answer,) = ask(control, {"type": "drain"})
    assert unpack_result(answer) == {"v": 1, "type": "draining", "id": 7}
    assert daemon.wait() == 0


def test_two_daemons_cannot_share_a_journal_or_an_endpoint(make_daemon: Callable[..., Any]) -> None:
    first = make_daemon()
    first.start()
    own = '[ingest]\nendpoint = "{}"\n'
    same_endpoint = make_daemon(own.format(first.ready["ingest"]))
    same_endpoint.spawn()
    assert same_endpoint.wait() == 2
    (line,) = same_endpoint.log.read_text().splitlines()
    assert line.startswith(
        f"phenostream run: ingest.endpoint: {first.ready['ingest']}: in use by another daemon"
    )

    same_journal = make_daemon(folder=first.folder)
    same_journal.log = first.folder / "second.log"
    same_journal.spawn()
    assert same_journal.wait() == 2
    (line,) = same_journal.log.read_text().splitlines()
    assert line.startswith("phenostream run: journal.directory: ")
    assert "in use by another daemon (process " in line
    (status,) = ask(first.ready["control"], {"type": "status"})
    assert unpack_result(status)["status"]["state"] == "ready"


@pytest.mark.parametrize("section", ["ingest", "results", "control"])
def test_a_tcp_port_in_use_is_one_line_and_exit_2(
    make_daemon: Callable[..., Any], section: str
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        daemon = make_daemon(f'[{section}]\nendpoint = "tcp://127.0.0.1:{port}"\n')
        daemon.spawn()
        assert daemon.wait() == 2
    last = daemon.log.read_text().splitlines()[-1]
    refusal = f"{section}.endpoint: tcp://127.0.0.1:{port}: address already in use"
    assert last == f"phenostream run: {refusal}"


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            '[ingest]\nendpoit = "ipc://x"\n',
            "ingest.endpoit: unknown key, did you mean 'endpoint'?",
        ),
        ("[limits]\nframes_queued = 0\n", "limits.frames_queued: 0: allowed 1 to 64"),
        (
            '[ingest]\nendpoint = "tcp://no.such.host.invalid:1"\n[security]\nplain = ["ingest"]\n',
            "no such device",
        ),
        ('[security]\nkeys = "nowhere"\n', "server.key: no such file or directory"),
    ],
)
def test_a_bad_configuration_is_one_line_and_exit_2(
    make_daemon: Callable[..., Any], extra: str, message: str
) -> None:
    daemon = make_daemon(extra)
    daemon.spawn()
    assert daemon.wait() == 2
    log = daemon.log.read_text()
    assert message in log.splitlines()[-1]
    assert "Traceback" not in log


def test_a_flipped_bit_in_the_bundle_refuses_to_start(
    make_daemon: Callable[..., Any], tmp_path: Path, toy_bundle: Path
) -> None:
    altered = tmp_path / "bundle"
    altered.mkdir()
    for path in toy_bundle.iterdir():
        (altered / path.name).write_bytes(path.read_bytes())
    content = bytearray((altered / "golden.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (altered / "golden.npz").write_bytes(content)
    daemon = make_daemon()
    daemon.bundle = altered
    daemon.spawn()
    assert daemon.wait() == 2
    assert "golden.npz: expected sha256" in daemon.log.read_text().splitlines()[-1]


def test_damage_in_the_journal_is_told_and_the_rest_is_served(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon = make_daemon()
    ready = daemon.start()
    with Sender(ready["ingest"], "scope") as sender:
        sender.start(small_start())
        for seq in range(3):
            sender.send(seq, small_frame)
        sender.finish()
    daemon.kill()
    (path,) = (daemon.folder / "journal").glob("*.journal")
    content = bytearray(path.read_bytes())
    content[40] ^= 1  # of the record that opened the run
    path.write_bytes(content)
    control = daemon.start()["control"]
    head, *parts = ask(control, {"type": "get", "since": 0})
    assert decode_offset(parts[1]) == 1
    status = unpack_result(ask(control, {"type": "status"})[0])["status"]
    assert unpack_result(head)["next"] == status["journal"]["newest"] + 1
    assert status["state"] == "degraded"
    assert "offset 0 is lost" in status["faults"]["journal_damage"]
    assert [loss["first"] for loss in status["journal"]["losses"]] == [0]
    assert (status["ledger"]["total"]["published"], status["ledger"]["total"]["missing"]) == (3, 0)
    assert f"{path}: damaged at byte 0" in daemon.log.read_text()
    assert path.read_bytes() == content
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 3


def test_a_subscriber_sees_every_offset_and_replay_gives_the_same_bytes(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon = make_daemon()
    ready = daemon.start()
    with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
        for topic in (*TOPICS, WELCOME_TOPIC.decode()):
            subscriber.subscribe(topic)
        subscriber.connect(ready["results"])
        while subscriber.poll(10_000) and subscriber.recv_multipart() != [WELCOME_TOPIC]:
            pass
        with Sender(ready["ingest"], "scope") as sender:
            sender.start(small_start(n_expected=30))
            for seq in range(30):
                sender.send(seq, small_frame)
            report = sender.finish()
        published: list[list[bytes]] = []
        mark = b""
        while not mark:
            assert subscriber.poll(10_000)
            parts = subscriber.recv_multipart()
            if parts[0] != b"highwater":
                published.append(parts)
            elif published and b"run_ended" in published[-1][2]:  # not a mark amid the run
                mark = parts[1]
    assert [decode_offset(parts[1]) for parts in published] == list(range(len(published)))
    replayed = ask(ready["control"], {"type": "get", "since": 0})
    head = unpack_result(replayed[0])
    assert (head["n"], head["next"], head["newest"]) == (
        len(published),
        len(published),
        len(published) - 1,
    )
    assert replayed[1:] == [part for parts in published for part in parts]
    assert report.ledger["cells_found"] == 120
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0


def test_the_same_frames_give_the_same_results_twice(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    outcomes = []
    for _ in range(2):
        daemon = make_daemon()
        ready = daemon.start()
        with Sender(ready["ingest"], "scope") as sender:
            sender.start(small_start())
            for seq in range(20):
                sender.send(seq, np.roll(small_frame, seq, axis=2))
            sender.finish()
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 0
        bodies = [
            unpack_result(record.payload)
            for record in records(daemon.folder / "journal")
            if record.topic == "result"
        ]
        outcomes.append({body["frame_seq"]: (body["counts"], body["columns"]) for body in bodies})
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) == 20


def test_a_daemon_that_stopped_leaves_a_checkpoint_and_the_next_reads_nothing_again(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon = make_daemon()
    ready = daemon.start()
    start = small_start()
    with Sender(ready["ingest"], "scope") as sender:
        sender.start(start)
        for seq in range(5):
            sender.send(seq, small_frame)
        sender.finish()
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    found = recover(daemon.folder / "journal", 1 << 20, 8)
    found.journal.close()
    assert found.checkpoint == found.journal.next_offset
    assert found.journal.recovery.records == 0
    assert found.ledger.run(start.run)["published"] == 5
    control = daemon.start()["control"]
    status = unpack_result(ask(control, {"type": "status"})[0])["status"]
    assert status["ledger"]["runs"][start.run]["published"] == 5
