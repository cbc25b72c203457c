"""Promise 6: whatever strangers send, the daemon lives, its memory stays, and an honest source is served.

Mutated headers go through the decoders by the million, in a process of their own, and a sample of them through the real
sockets. Then garbage on TCP, parts that announce 8 GiB, messages that never end, connections that say nothing while
descriptors are few.
"""

import contextlib
import json
import select
import socket
import threading
import time
from contextlib import ExitStack

import zmq

from phenostream.daemon.client import Control
from phenostream.daemon.client.errors import Unreachable
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from tests.system.chaos.faulty_daemon import FaultyDaemon, faulty_daemon
from tests.system.chaos.line_process import LineProcess
from tests.system.chaos.mutated_headers import mutated, valid_headers
from tests.system.chaos.promise import Outcome, Setting
from tests.system.chaos.stopped import resident_mib
from tests.system.small_camera import small_frame, small_start

ALLOWED_MIB = 10
SERVED_WITHIN_S = 3.0
SERVED_IN_FLOOD_S = 15.0
"""The flood takes all the processor it can get, from a box that may be busy."""
DESCRIPTORS = 256
SILENT = 400
AT_ONCE = 50
"""Fewer than a listening socket lets wait: the kernel makes the others try again a second later."""
CONNECTED_WITHIN_S = 0.2
FLOODERS = 4
ENDLESS_PARTS = 1500
ENDLESS_ALLOWED_MIB = 200
"""Its budget, and what comes between two looks of the daemon."""
HONEST_FRAMES = 10
TCP = 'endpoint = "tcp://127.0.0.1:*"\n'
PORTS = f"[ingest]\n{TCP}max_frame_bytes = 1048576\ncredit_bytes = 1048576\n[results]\n{TCP}[control]\n{TCP}"


def run(setting: Setting) -> Outcome:
    """Attack, and serve an honest source after each attack."""
    outcome = Outcome()
    _decoders(setting, outcome)
    with faulty_daemon(setting, "d", PORTS) as daemon:
        daemon.prefix = ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")
        daemon.start()
        for _ in range(3):
            _serve(daemon, outcome, "at first")
        before = resident_mib(daemon.pid)
        for attack in (_mutations, _garbage, _announcements, _silence, _flood):
            attack(daemon, setting, outcome)
            _serve(daemon, outcome, f"after {attack.__name__.strip('_')}")
        grown = resident_mib(daemon.pid) - before
        outcome.found["daemon_grown_mib"] = grown
        outcome.expect(grown < ALLOWED_MIB, f"the daemon's memory grew by {grown:.1f} MiB")
        _endless(daemon, outcome)
        _serve(daemon, outcome, "after an endless message")
        with Control(daemon.ready["control"]) as control:
            state = control.status()["state"]
        outcome.expect(state == "ready", f"the daemon is {state} after the attacks")
    return outcome


def _decoders(setting: Setting, outcome: Outcome) -> None:
    """The bulk of the mutated headers, without sockets."""
    heard: list[str] = []
    process = LineProcess("mutated_headers", heard.append)
    count = setting.of(20_000, 1_000_000, 10_000_000)
    process.start({"seed": setting.seed, "count": count})
    process.wait_for_end()
    if not heard:
        outcome.expect(False, "the process of the decoders died")
        return
    told = json.loads(heard[-1])
    outcome.done["mutated_headers"] = count
    outcome.found |= {
        "decoder_escapes": told["escaped"],
        "decoder_grown_mib": told["grown_mib"],
        "mutants_that_are_legal": told["accepted"],
    }
    outcome.expect(not told["escaped"], f"a decoder let escape {told['first_escape']}")
    outcome.expect(told["grown_mib"] < ALLOWED_MIB, f"decoders kept {told['grown_mib']:.1f} MiB")


def _mutations(daemon: FaultyDaemon, setting: Setting, outcome: Outcome) -> None:
    """A sample through the sockets of ingest and control, with one to four parts."""
    count, chance = setting.of(500, 20_000, 200_000), setting.chance()
    headers = [header for header, _ in valid_headers()]
    with ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        for port in ("ingest", "control"):
            stranger = stack.enter_context(context.socket(zmq.DEALER))
            stranger.setsockopt(zmq.LINGER, 0)
            stranger.connect(daemon.ready[port])
            for number in range(count):
                parts = [mutated(chance.choice(headers), chance)]
                parts += [chance.randbytes(100)] * (number % 4)
                stranger.send_multipart(parts)
                if number % 100 == 99:
                    _drain_replies(stranger)
                outcome.done["mutated_on_the_wire"] += 1


def _drain_replies(stranger: "zmq.Socket[bytes]") -> None:
    while stranger.poll(0):
        stranger.recv_multipart()


def _garbage(daemon: FaultyDaemon, setting: Setting, outcome: Outcome) -> None:
    """Bytes that are no ZMTP, broken greetings, and half handshakes, at every port."""
    chance = setting.chance()
    for number in range(setting.of(60, 600, 6000)):
        for port in ("ingest", "results", "control"):
            noise = (chance.randbytes(300), greeting()[: chance.randrange(64)], greeting(), b"")
            with _connected(daemon, port) as stranger:
                stranger.sendall(noise[number % 4])
            outcome.done["garbage_connections"] += 1


def _announcements(daemon: FaultyDaemon, setting: Setting, outcome: Outcome) -> None:
    """A part that claims 8 GiB closes its connection."""
    for port in ("ingest", "results", "control"):
        with _connected(daemon, port) as stranger:
            stranger.settimeout(10)
            stranger.sendall(greeting() + b"\x02" + (8 << 30).to_bytes(8, "big") + bytes(1000))
            outcome.done["announcements_of_8_gib"] += 1
            closed = _closes(stranger)
        outcome.expect(closed, f"{port} waits for a part of 8 GiB")


def _closes(stranger: socket.socket) -> bool:
    try:
        while stranger.recv(4096):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def _silence(daemon: FaultyDaemon, setting: Setting, outcome: Outcome) -> None:
    """More connections at once than there are descriptors, none of which says a word, while an honest source comes."""
    address = _address(daemon, "ingest")
    with ExitStack() as stack:
        for _ in range(SILENT // AT_ONCE):
            crowd = [stack.enter_context(socket.socket()) for _ in range(AT_ONCE)]
            for stranger in crowd:
                stranger.setblocking(False)
                stranger.connect_ex(address)
            select.select([], crowd, [], CONNECTED_WITHIN_S)
            outcome.done["silent_connections"] += AT_ONCE
        _serve(daemon, outcome, "amid silent connections")


def _flood(daemon: FaultyDaemon, setting: Setting, outcome: Outcome) -> None:
    """Connections are opened and dropped without pause while honest sources come."""
    address, enough = _address(daemon, "ingest"), threading.Event()

    def connect_on() -> None:
        while not enough.is_set():
            with contextlib.suppress(OSError), socket.create_connection(address, timeout=0.05):
                outcome.done["flood_connections"] += 1

    threads = [threading.Thread(target=connect_on) for _ in range(FLOODERS)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(setting.of(2, 10, 50)):
            _serve(daemon, outcome, "amid a flood of connections", SERVED_IN_FLOOD_S)
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def _endless(daemon: FaultyDaemon, outcome: Outcome) -> None:
    """A message of ever more parts, which libzmq would keep to its end, is cut off."""
    part = b"\x03" + (1 << 20).to_bytes(8, "big") + bytes(1 << 20)
    before, peak, cut = resident_mib(daemon.pid), 0.0, False
    with _connected(daemon, "ingest") as stranger:
        stranger.sendall(greeting())
        for _ in range(ENDLESS_PARTS):
            try:
                stranger.sendall(part)
            except ConnectionError:
                cut = True
                break
            peak = max(peak, resident_mib(daemon.pid) - before)
    outcome.done["endless_messages"] += 1
    outcome.found["endless_peak_mib"] = peak
    outcome.expect(cut, f"a message of {ENDLESS_PARTS} parts of 1 MiB is not cut off")
    outcome.expect(
        peak < ENDLESS_ALLOWED_MIB, f"an endless message took {peak:.0f} MiB before it was cut off"
    )


def _serve(
    daemon: FaultyDaemon, outcome: Outcome, when: str, within_s: float = SERVED_WITHIN_S
) -> None:
    """An honest run of ten frames is published, its first answer in time."""
    frame, start, began_s = small_frame(), small_start(), time.monotonic()
    try:
        with Sender(daemon.ready["ingest"], "scope", SenderSettings(30.0)) as sender:
            sender.start(start)
            waited_s = time.monotonic() - began_s
            for seq in range(HONEST_FRAMES):
                sender.send(seq, frame)
            published = sender.finish().ledger["published"]
    except Unreachable as err:
        outcome.expect(False, f"{when}: {err}")
        return
    name = "longest_wait_s" if within_s == SERVED_WITHIN_S else "longest_wait_in_flood_s"
    outcome.found[name] = max(outcome.found.get(name, 0.0), waited_s)
    outcome.done["honest_runs"] += 1
    outcome.expect(waited_s <= within_s, f"{when}: served after {waited_s:.1f} s")
    outcome.expect(published == HONEST_FRAMES, f"{when}: {published} of {HONEST_FRAMES} published")


def _address(daemon: FaultyDaemon, port: str) -> tuple[str, int]:
    host, _, number = daemon.ready[port].removeprefix("tcp://").partition(":")
    return host, int(number)


def _connected(daemon: FaultyDaemon, port: str) -> socket.socket:
    return socket.create_connection(_address(daemon, port), timeout=10)


def greeting() -> bytes:
    """ZMTP 3.0, NULL mechanism, and the READY command of a DEALER."""
    start = b"\xff" + bytes(7) + b"\x01\x7f\x03\x00NULL".ljust(24, b"\0")
    ready = b"\x05READY\x0bSocket-Type" + (6).to_bytes(4, "big") + b"DEALER"
    return start + bytes(64 - len(start)) + b"\x04" + bytes([len(ready)]) + ready
