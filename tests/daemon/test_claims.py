"""Who owns a directory or an endpoint is settled before anything is opened."""

import os
import socket
import threading
from pathlib import Path

import pytest

from phenostream.daemon.claims import claimed, claimed_endpoint, holder
from phenostream.engine.errors import BadConfig


def test_a_claim_is_sole_and_ends_with_its_block(tmp_path: Path) -> None:
    lock = tmp_path / "new" / "lock"
    with claimed(lock, "journal.directory: x"):
        assert lock.parent.stat().st_mode & 0o777 == 0o700
        with (
            pytest.raises(BadConfig, match=r"journal.directory: x: in use .*process \d+"),
            claimed(lock, "journal.directory: x"),
        ):
            pass
    with claimed(lock, "journal.directory: x"):
        pass


def test_whoever_is_patient_takes_a_claim_when_it_is_given_back(tmp_path: Path) -> None:
    lock, waiting = tmp_path / "lock", threading.Event()
    taken = threading.Thread(target=lambda: _claim(lock, waiting))
    with claimed(lock, "journal.directory: x"):
        taken.start()
        assert waiting.wait(10)
        assert not (tmp_path / "mine").exists()
    taken.join(10)
    assert (tmp_path / "mine").exists()


def test_patience_has_an_end(tmp_path: Path) -> None:
    with (
        claimed(tmp_path / "lock", "journal.directory: x"),
        pytest.raises(BadConfig, match="in use by another daemon"),
        claimed(tmp_path / "lock", "journal.directory: x", patience_s=0.1),
    ):
        pass


def _claim(lock: Path, waiting: threading.Event) -> None:
    waiting.set()
    with claimed(lock, "journal.directory: x", patience_s=10):
        lock.with_name("mine").touch()


def test_who_holds_a_claim_is_known_while_he_does(tmp_path: Path) -> None:
    assert holder(tmp_path / "lock") is None
    with claimed(tmp_path / "lock", "journal.directory: x"):
        assert holder(tmp_path / "lock") == os.getpid()
    assert holder(tmp_path / "lock") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_process_that_is_not_the_locks_owners_is_not_believed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with claimed(lock, "journal.directory: x"):
        os.chown(lock, 65534, 65534)
        assert holder(lock) is None


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BadConfig, match=r"journal\.directory: x: .*"),
        claimed(tmp_path / "file" / "lock", "journal.directory: x"),
    ):
        pass


def test_an_endpoint_that_someone_serves_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with (
            pytest.raises(BadConfig, match=r"ingest\.endpoint: .* in use by another program"),
            claimed_endpoint(f"ipc://{path}", "ingest.endpoint"),
        ):
            pass


def test_a_stale_socket_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    with claimed_endpoint(f"ipc://{path}", "ingest.endpoint"):
        pass


def test_a_file_in_the_way_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with (
        pytest.raises(BadConfig, match="no socket is in the way"),
        claimed_endpoint(f"ipc://{path}", "ingest.endpoint"),
    ):
        pass
    assert path.read_text() == "data"
