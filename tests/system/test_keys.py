"""Keys against a real daemon: who is let in, who is told why not, and what a reload changes."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from phenostream.daemon.client import Control, Sender, Subscriber
from phenostream.daemon.client.best_effort_sender import BestEffortSender, BestEffortSettings
from phenostream.daemon.client.errors import Refusal, Rejected
from phenostream.daemon.client.rejection import FAILED_HANDSHAKES
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.client.stream import SourceFrame
from phenostream.daemon.security.allow_list import Role
from phenostream.daemon.security.key_folder import make_client, make_server
from phenostream.daemon.security.keys import ClientKeys, KeyPair
from phenostream.daemon.wire.ingest import FrameHeader, Start
from phenostream.deploy.cli.main import main

pytestmark = pytest.mark.system
Image = np.ndarray[Any, Any]
CONFIG = """
[security]
keys = "keys"
plain = ["sources.foreign"]
[ingest]
endpoint = "tcp://127.0.0.1:*"
[results]
endpoint = "tcp://127.0.0.1:*"
[control]
endpoint = "tcp://127.0.0.1:*"
[[sources]]
name = "pushed"
socket = "pull"
endpoint = "tcp://127.0.0.1:*"
[[sources]]
name = "foreign"
socket = "pull"
endpoint = "tcp://127.0.0.1:*"
"""


SOME_TEXT: dict[str, Any] = {
    "of_offset": 7,
    "text": "x",
    "style": "line",
    "language": "en",
    "source": "llm-grammar",
    "llm": {"name": "toy", "sha256": "0" * 64, "binding": "fake"},
    "seconds": 1.0,
}


class Site:
    """A daemon with keys, and the folders that were handed over."""

    def __init__(self, daemon: Any) -> None:
        self.daemon, self.folder = daemon, daemon.folder
        make_server(self.folder / "keys")
        roles: tuple[Role, ...] = ("source", "subscriber", "summariser", "operator")
        self.keys = {role: self.make(role, role) for role in roles}

    def make(self, name: str, role: Role) -> ClientKeys:
        out = self.folder / f"{name}.keys"
        make_client(self.folder / "keys", name, role, out)
        return ClientKeys.read(out)

    def url(self, name: str) -> str:
        return str(self.daemon.ready.get(name) or self.daemon.ready["sources"][name])

    def control(self, role: Role = "operator") -> Control:
        return Control(self.url("control"), keys=self.keys[role])

    def security(self) -> dict[str, Any]:
        with self.control() as control:
            told: dict[str, Any] = control.status()["security"]
            return told

    def reload(self) -> None:
        """Returns when the daemon has read its list again."""
        before = self.security()["reloads"]
        self.daemon.send(signal.SIGHUP)
        while self.security()["reloads"] == before:
            pass

    def sender(self, keys: ClientKeys | None) -> Sender:
        patience = SenderSettings(connect_timeout_s=20, reconnect_timeout_s=20, keys=keys)
        return Sender(self.url("ingest"), "scope", patience)


@pytest.fixture
def site(make_daemon: Callable[..., Any]) -> Site:
    """A running daemon with one client of every role."""
    site = Site(make_daemon(CONFIG))
    site.daemon.start()
    return site


def test_with_the_right_keys_a_run_goes_through(
    site: Site, small_start: Callable[..., Start], small_frame: Image
) -> None:
    start = small_start()
    urls = site.url("results"), site.url("control")
    with Subscriber(*urls, keys=site.keys["subscriber"]) as results:
        results.wait_subscribed()
        with site.sender(site.keys["source"]) as sender:
            sender.start(start)
            for seq in range(5):
                sender.send(seq, small_frame)
            assert sender.finish().ledger["published"] == 5
        seen = [record for record in results.until_end() if record.topic == "result"]
    assert len(seen) == 5
    assert site.security()["refused"] == 0


def strangers(site: Site) -> list[tuple[ClientKeys | None, str]]:
    server = site.keys["source"].server
    return [
        (ClientKeys(KeyPair.new(), server), "does not let our key"),
        (ClientKeys(site.keys["source"].pair, KeyPair.new().public), "not the one whose key"),
        (None, "wants keys: --keys DIR"),
    ]


def test_every_stranger_is_told_why_at_every_socket(
    site: Site, small_start: Callable[..., Start]
) -> None:
    for keys, why in strangers(site):
        with site.sender(keys) as sender, pytest.raises(Rejected, match=why):
            sender.start(small_start())
        with pytest.raises(Rejected, match=why), Subscriber(site.url("results"), keys=keys) as one:
            one.wait_subscribed()
        with pytest.raises(Rejected, match=why), Control(site.url("control"), keys=keys) as control:
            control.status()
        way = BestEffortSettings(keys=keys)
        with (
            pytest.raises(Rejected, match=why),
            BestEffortSender(site.url("pushed"), way) as pusher,
        ):
            pusher.reach()
    told = site.security()
    assert told["refused"] >= 4
    with site.control() as control:
        assert control.status()["ledger"]["total"]["received"] == 0
    stderr = site.daemon.log.read_text()
    assert "is not let in" in stderr
    assert all(keys.pair.secret.decode() not in stderr for keys in site.keys.values())


def test_keys_are_refused_where_a_source_is_plain_by_consent(
    site: Site, small_start: Callable[..., Start], small_frame: Image
) -> None:
    way = BestEffortSettings(keys=site.keys["source"])
    with (
        pytest.raises(Rejected, match="speaks plain"),
        BestEffortSender(site.url("foreign"), way) as pusher,
    ):
        pusher.reach()
    start = small_start()
    with BestEffortSender(site.url("foreign"), BestEffortSettings(ends=1)) as pusher:
        pusher.reach()
        pusher.stream(start, [SourceFrame(0, small_frame)])
    with site.control() as control:
        while control.status()["ledger"]["total"]["published"] != 1:
            pass
    assert "sources.foreign is PLAIN" in site.daemon.log.read_text()


def test_the_plain_mechanism_is_refused_too(site: Site) -> None:
    """Whoever reads the other's greeting first hangs up: the stranger tells a wrong mechanism, or that it was cut."""
    heard = FAILED_HANDSHAKES | int(zmq.Event.HANDSHAKE_SUCCEEDED)
    with (
        zmq.Context() as context,
        context.socket(zmq.DEALER) as stranger,
        stranger.get_monitor_socket(heard) as monitor,
    ):
        stranger.setsockopt(zmq.LINGER, 0)
        stranger.setsockopt(zmq.PLAIN_USERNAME, b"admin")
        stranger.setsockopt(zmq.PLAIN_PASSWORD, b"admin")
        stranger.connect(site.url("control"))
        assert monitor.poll(10_000)
        (event,) = np.frombuffer(monitor.recv_multipart()[0][:2], "u2")
        assert int(event) & FAILED_HANDSHAKES
        stranger.disable_monitor()


def test_roles_open_their_own_sockets_only(site: Site, small_start: Callable[..., Start]) -> None:
    with (
        site.sender(site.keys["subscriber"]) as sender,
        pytest.raises(Rejected, match="of another role"),
    ):
        sender.start(small_start())
    with pytest.raises(Rejected, match="of another role"), site.control("source") as control:
        control.status()
    with site.control("subscriber") as control:
        assert control.status()["state"] == "ready"
        with pytest.raises(Refusal, match="drain: the key of a subscriber, allowed an operator's"):
            control.drain()
        with pytest.raises(Refusal, match="reload: the key of a subscriber, allowed an operator's"):
            control.reload()
        with pytest.raises(Refusal, match="model_load: the key of a subscriber, allowed an op"):
            control.load_model("/models/other")
        with pytest.raises(Refusal, match="model_cancel: the key of a subscriber, allowed an op"):
            control.cancel_swap()
        assert control.model_swap()["state"] == "none"
        with pytest.raises(Refusal, match="summary_text: the key of a subscriber, allowed an op"):
            control.word_summary(SOME_TEXT)
    with site.control("summariser") as control:
        assert control.status()["summariser"]["refused"] == 0
        with pytest.raises(Refusal, match="of_offset 7: allowed one of the newest"):
            control.word_summary(SOME_TEXT)
        with pytest.raises(Refusal, match="drain: the key of a summariser, allowed an operator's"):
            control.drain()
    with site.control() as control:
        control.drain()
    assert site.daemon.wait() == 0


def send_on(sender: Sender, frame: Image) -> None:
    for seq in range(1, 1_000_000):
        sender.send(seq, frame)


def test_a_removed_key_is_cut_off_and_others_go_on(
    site: Site, small_start: Callable[..., Start], small_frame: Image
) -> None:
    other = site.make("scope-2", "source")
    site.reload()  # a new key comes in without a restart
    urls = site.url("results"), site.url("control")
    with (
        site.sender(site.keys["source"]) as leaving,
        site.sender(other) as staying,
        Subscriber(*urls, keys=site.keys["subscriber"]) as results,
    ):
        results.wait_subscribed()
        leaving.start(small_start())
        staying.start(small_start())
        leaving.send(0, small_frame)
        staying.send(0, small_frame)
        for role in ("source/source", "subscriber/subscriber"):
            (site.folder / f"keys/allowed/{role}.pub").unlink()
        site.reload()
        with pytest.raises(Rejected, match="does not let our key"):
            send_on(leaving, small_frame)
        with pytest.raises(Rejected, match="does not let our key"):
            list(results)
        staying.send(1, small_frame)
        assert staying.finish().ledger["published"] == 2
        assert staying.counts.reconnects == 0
    sockets = site.security()["sockets"]
    assert sockets["ingest"]["removed"] == 1
    assert sockets["results"]["removed"] == 1


def test_a_list_that_cannot_be_read_leaves_the_old_one_and_says_so(site: Site) -> None:
    bad = site.folder / "keys/allowed/source/notes.txt"
    bad.write_text("x")
    site.daemon.send(signal.SIGHUP)
    with site.control() as control:
        while "allow_list" not in control.status()["faults"]:
            pass
        assert "notes.txt: allowed NAME.pub" in control.status()["faults"]["allow_list"]
        with pytest.raises(Refusal, match=r"the allow-list stays as it was: .*notes.txt"):
            control.reload()
        bad.unlink()
        assert control.reload() == {"keys": True, "allowed": 4, "reloads": 1}
        assert control.status()["faults"] == {}


def test_systemd_hears_when_a_reload_begins_and_ends(site: Site, tmp_path: Path) -> None:
    site.daemon.kill()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        site.daemon.prefix = ("env", f"NOTIFY_SOCKET={tmp_path}/notify")
        site.daemon.start()
        site.daemon.send(signal.SIGHUP)
        heard: list[str] = []
        while not heard or heard[-1] != "READY=1":
            heard.append(systemd.recv(4096).decode())
    assert heard[-2].startswith("RELOADING=1\nMONOTONIC_USEC=")


def test_ipc_needs_no_keys_and_is_open_to_us_alone(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon = make_daemon()
    daemon.start()
    with Sender(daemon.ready["ingest"], "scope") as sender:
        sender.start(small_start())
        sender.send(0, small_frame)
        assert sender.finish().ledger["published"] == 1
    run = daemon.folder / "run"
    assert run.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in run.glob("*.sock")} == {0o600}
    assert len(list(run.glob("*.sock"))) == 3
    daemon.kill()
    run.chmod(0o777)
    daemon.spawn()
    assert daemon.wait() == 2
    assert "mode 0777 lets anyone put a socket in place of ours" in daemon.log.read_text()


def test_a_recording_is_made_with_keys_too(
    tmp_path: Path, small_start: Callable[..., Start], small_frame: Image
) -> None:
    make_server(tmp_path / "keys")
    make_client(tmp_path / "keys", "scope-1", "source", tmp_path / "scope")
    words = ["--from", "tcp://127.0.0.1:*", "--keys", "keys", "x.phenorec", "--until-end"]
    command = [sys.executable, "-m", "phenostream.deploy.cli", "record", *words]
    recording = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert recording.stderr is not None
    url = recording.stderr.readline().split()[-1]
    keys = ClientKeys.read(tmp_path / "scope")
    stranger = ClientKeys(KeyPair.new(), keys.server)
    start = small_start()
    with (
        Sender(url, "scope", SenderSettings(keys=stranger)) as sender,
        pytest.raises(Rejected, match="does not let our key"),
    ):
        sender.start(start)
    with Sender(url, "scope", SenderSettings(keys=keys)) as sender:
        sender.start(start)
        sender.send(0, small_frame)
        assert sender.finish().ledger["dropped"] == 1
    assert recording.wait(20) == 0
    recording.stderr.close()


def test_a_recording_on_a_network_is_not_plain_unasked(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "phenostream.deploy.cli", "record"]
    words = ["--from", "tcp://*:5999", str(tmp_path / "x.phenorec")]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "allowed on a network with --keys DIR" in done.stderr


def test_status_and_quarantine_replay_take_keys(
    site: Site,
    small_start: Callable[..., Start],
    small_frame: Image,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start = small_start()
    header = FrameHeader(
        run=start.run, frame_seq=0, shape=(4, 128, 128), dtype="u8", source_utc_ns=1, crc32=1
    )
    with site.sender(site.keys["source"]) as sender:
        sender.start(start)
        sender.send_frame(header, small_frame.tobytes())
        assert sender.finish().ledger["quarantined"] == 1
    asked = ["status", site.url("control"), "--keys"]
    assert main([*asked, str(site.folder / "operator.keys")]) == 0
    assert "1 quarantined.crc32" in capsys.readouterr().out
    place, url = str(site.folder / "quarantine"), site.url("ingest")
    again = ["quarantine", "replay", place, "--to", url, "--keys"]
    assert main([*again, str(site.folder / "source.keys"), "--json"]) == 3
    assert '"fate":"quarantined"' in capsys.readouterr().out


DYING_GATE = """
import sys
from phenostream.daemon.security import zap
from phenostream.deploy.cli.main import main

def dies(request, allowed):
    raise RuntimeError("the gate died")

zap.judge = dies
sys.exit(main(sys.argv[1:]))
"""


def test_without_its_gate_the_daemon_stops_and_lets_nobody_in(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start]
) -> None:
    daemon = make_daemon(CONFIG)
    daemon.command = (sys.executable, "-c", DYING_GATE, "run", "--json", "--config")
    site = Site(daemon)
    daemon.start()
    with zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.setsockopt(zmq.LINGER, 0)
        site.keys["operator"].set_on(client)
        client.connect(site.url("control"))
        client.send(b"x")
        assert daemon.wait() == 1
        assert not client.poll(0)
    assert "thread gate died: the gate died" in daemon.log.read_text()
