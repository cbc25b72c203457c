"""Endpoints: free, ours, or another's, found out without touching them."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from phenostream.daemon.claims import claimed, claimed_endpoint
from phenostream.deploy.doctor import endpoints
from phenostream.deploy.doctor.holders import (
    command_of,
    is_bound,
    listeners,
    tcp_is_bound,
)
from phenostream.deploy.doctor.patient import Patient
from tests.deploy.doctor.patients import patient, the, tree


def test_a_listener_at_a_port_is_found_by_its_process() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        assert os.getpid() in listeners(f"127.0.0.1:{port}")
        assert tcp_is_bound(f"127.0.0.1:{port}")
    assert not tcp_is_bound(f"127.0.0.1:{port}")
    assert os.getpid() not in listeners(f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("table", "taken", "clashes", "frees"),
    [
        ("tcp", "0100007F", ["127.0.0.1", "*", "lo"], ["127.0.0.2", "[::1]"]),
        ("tcp", "00000000", ["127.0.0.1", "*", "10.0.0.1"], ["[::1]"]),
        ("tcp6", f"{0:024X}01000000", ["[::1]", "[::]", "lo"], ["127.0.0.1", "*", "[::2]"]),
        ("tcp6", f"{0:016X}FFFF00000100007F", ["127.0.0.1", "*"], ["127.0.0.2", "[::1]"]),
        ("tcp6", f"{0:032X}", ["[::1]", "127.0.0.1", "*"], []),
    ],
)
def test_a_listener_is_in_the_way_of_its_own_address_and_of_all_addresses(
    tmp_path: Path, table: str, taken: str, clashes: list[str], frees: list[str]
) -> None:
    row = f"0: {taken}:15B3 0:0000 0A 0:0 00:0 0 0 0 1608 1"
    root = tree(tmp_path, **{f"proc__net__{table}": f"sl local_address\n{row}\n"})
    assert [one for one in (*clashes, *frees) if tcp_is_bound(f"{one}:5555", root)] == clashes
    assert not tcp_is_bound("127.0.0.1:5556", root)


def test_a_port_is_free_where_another_program_has_it_at_another_address(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        of = patient(tmp_path / "p", f'[ingest]\nendpoint = "tcp://127.0.0.2:{port}"\n')
        assert the(list(endpoints.look(of)), "ingest.endpoint").verdict == "ok"


def test_a_listening_unix_socket_is_seen_without_a_connection(tmp_path: Path) -> None:
    path = tmp_path / "s o"
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(path))
        assert not is_bound(path)
        server.listen(0)
        assert is_bound(path)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert not is_bound(path)


def test_a_process_is_named_by_its_command_line() -> None:
    assert command_of(os.getpid()).startswith(f"process {os.getpid()}, ")
    assert command_of(2**22 + 1) == f"process {2**22 + 1}"


def test_everything_is_free_where_no_daemon_runs(tmp_path: Path) -> None:
    found = list(endpoints.look(patient(tmp_path / "p")))
    assert {one.verdict for one in found} == {"ok"}
    assert the(found, "daemon").found == "none runs on this journal"
    assert the(found, "results.endpoint").found.endswith("results.sock, free")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Patient]:
    """One whose locks are all held by this process, as a daemon of this configuration holds them."""
    of = patient(tmp_path / "p")
    assert of.config is not None
    with ExitStack() as held:
        held.enter_context(claimed(of.config.journal.directory / "lock", "x"))
        for key, url in of.config.listening():
            held.enter_context(claimed_endpoint(url, key))
        yield of


def test_endpoints_of_the_daemon_that_runs_are_its_own(running: Patient) -> None:
    found = list(endpoints.look(running))
    assert {one.verdict for one in found} == {"ok"}
    assert the(found, "daemon").found.startswith(f"process {os.getpid()}")
    assert the(found, "ingest.endpoint").found.endswith("ingest.sock, served by it")


def test_an_endpoint_of_another_daemon_fails(tmp_path: Path) -> None:
    of = patient(tmp_path / "p")
    assert of.config is not None
    with claimed_endpoint(of.config.ingest.endpoint, "x"):
        found = the(list(endpoints.look(of)), "ingest.endpoint")
    assert found.verdict == "fail"
    assert f"in use by process {os.getpid()}" in found.found


def test_a_port_of_another_program_fails_and_names_it(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        of = patient(tmp_path / "p", f'[ingest]\nendpoint = "tcp://127.0.0.1:{port}"\n')
        found = the(list(endpoints.look(of)), "ingest.endpoint")
    assert found.verdict == "fail"
    assert f"in use by process {os.getpid()}" in found.found
    assert the(list(endpoints.look(of)), "ingest.endpoint").verdict == "ok"


@pytest.mark.parametrize(
    ("settings", "key", "verdict", "says"),
    [
        (
            '[ingest]\nendpoint = "tcp://192.0.2.7:5555"\n',
            "ingest.endpoint",
            "fail",
            "cannot assign",
        ),
        ('[ingest]\nendpoint = "tcp://*:5555"\n', "ingest", "warn", "PLAIN, open to whoever"),
        ('[ingest]\nendpoint = "tcp://127.0.0.1:*"\n', "ingest.endpoint", "ok", "any free port"),
        ('[ingest]\nendpoint = "tcp://127.0.0.1:*"\n', "ingest", "ok", "every user of this box"),
    ],
)
def test_an_address_that_is_none_of_this_box_and_what_is_plain_are_told(
    tmp_path: Path, settings: str, key: str, verdict: str, says: str
) -> None:
    of = patient(tmp_path / "p", settings + '[security]\nplain = ["ingest"]\n')
    found = the(list(endpoints.look(of)), key)
    assert found.verdict == verdict
    assert says in found.found


def test_a_file_in_the_way_and_a_folder_that_is_open_to_all_fail(tmp_path: Path) -> None:
    of = patient(tmp_path / "p")
    folder = tmp_path / "p/run"
    folder.mkdir(mode=0o700)
    (folder / "control.sock").touch()
    assert the(list(endpoints.look(of)), "control.endpoint").verdict == "fail"
    (folder / "control.sock").unlink()
    folder.chmod(0o777)
    told = [one for one in endpoints.look(of) if one.verdict == "fail"]
    assert len(told) == 3
    assert "lets anyone put a socket in place of ours" in told[0].found


def test_the_port_of_the_monitor_is_free_or_another_program_is_named(tmp_path: Path) -> None:
    assert the(list(endpoints.look(patient(tmp_path / "p"))), "monitor.address").verdict == "ok"
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        of = patient(tmp_path / "p", f'[monitor]\naddress = "127.0.0.1:{port}"\n')
        found = the(list(endpoints.look(of)), "monitor.address")
        assert found.verdict == "warn"
        assert f"in use by process {os.getpid()}" in found.found
    assert the(list(endpoints.look(of)), "monitor.address").found == f"127.0.0.1:{port}, free"
    open_to_all = '[monitor]\naddress = "0.0.0.0:9750"\n[security]\nplain = ["monitor"]\n'
    of = patient(tmp_path / "p", open_to_all)
    assert the(list(endpoints.look(of)), "monitor.address").verdict == "warn"
