"""Key files: what is written is read back, and what others can read or change is refused."""

import errno
import os
import stat
from pathlib import Path

import pytest
import zmq.auth

from phenostream.daemon.config import SecurityConfig
from phenostream.daemon.health import Health
from phenostream.daemon.security.allow_list import AllowList, Role
from phenostream.daemon.security.guard import Guard
from phenostream.daemon.security.key_folder import make_client, make_server
from phenostream.daemon.security.keys import ClientKeys, KeyPair, read_public, write_public
from phenostream.daemon.security.secret_file import LONGEST_BYTES, read_secret, secret_path
from phenostream.engine.errors import BadConfig


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A daemon's key folder with one source."""
    make_server(tmp_path / "keys")
    make_client(tmp_path / "keys", "scope-1", "source", tmp_path / "scope-1.keys")
    return tmp_path / "keys"


def test_a_client_folder_is_what_its_owner_needs(folder: Path) -> None:
    handed = folder.parent / "scope-1.keys"
    client, server = ClientKeys.read(handed), KeyPair.read(folder, "server.key")
    assert client.server == server.public != client.pair.public
    assert stat.S_IMODE(handed.stat().st_mode) == 0o700
    assert stat.S_IMODE((handed / "client.key").stat().st_mode) == 0o600
    assert zmq.auth.load_certificate(handed / "client.key") == (
        client.pair.public,
        client.pair.secret,
    )


def test_a_secret_is_never_shown(folder: Path) -> None:
    pair = KeyPair.read(folder, "server.key")
    assert pair.secret.decode() not in repr(pair)
    assert pair.secret.decode() not in repr(ClientKeys(pair, pair.public))


def test_a_key_made_by_the_library_is_read(tmp_path: Path) -> None:
    public, secret = zmq.auth.create_certificates(tmp_path, "other")
    os.chmod(secret, 0o600)
    pair = KeyPair.read(tmp_path, "other.key_secret")
    assert pair.public == read_public(Path(public))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_secret_that_others_can_reach_is_refused(folder: Path, mode: int) -> None:
    path = folder / "server.key"
    path.chmod(mode)
    with pytest.raises(BadConfig, match=f"{path}: mode {mode:04o} lets others"):
        KeyPair.read(folder, "server.key")
    path.chmod(0o400)
    assert KeyPair.read(folder, "server.key")


def test_a_secret_is_a_plain_file_of_bounded_length(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe", 0o600)
    long = tmp_path / "long"
    long.write_bytes(bytes(LONGEST_BYTES + 1))
    long.chmod(0o600)
    for name, said in (("link", "symbolic"), ("pipe", "plain file"), ("long", "longer than")):
        with pytest.raises(BadConfig, match=said):
            read_secret(tmp_path / name)


def test_a_systemd_credential_comes_first_and_keeps_its_own_mode(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    granted, pair = tmp_path / "credentials", KeyPair.new()
    granted.mkdir()
    pair.write(granted / "server.key")
    (granted / "server.key").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(granted))
    assert secret_path(folder, "server.key") == granted / "server.key"
    assert KeyPair.read(folder, "server.key") == pair
    assert secret_path(folder, "client.key") == folder / "client.key"


def test_a_blank_credential_is_none(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "server.key").write_text("\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secret_path(folder, "server.key") == folder / "server.key"


def test_a_client_takes_both_its_files_from_the_credentials_of_its_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, server = KeyPair.new(), KeyPair.new().public
    pair.write(tmp_path / "client.key")
    write_public(tmp_path / "server.pub", server)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert ClientKeys.read(tmp_path / "not there") == ClientKeys(pair, server)


def test_halves_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    mixed = KeyPair(KeyPair.new().public, KeyPair.new().secret)
    mixed.write(tmp_path / "server.key")
    with pytest.raises(BadConfig, match="not that of its secret-key"):
        KeyPair.read(tmp_path, "server.key")


@pytest.mark.parametrize("text", ["", 'public-key = "short"', 'public-key = "' + " " * 40 + '"'])
def test_a_file_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.pub").write_text(text)
    with pytest.raises(BadConfig, match="40 characters"):
        read_public(tmp_path / "x.pub")


def test_nothing_is_ever_overwritten(folder: Path) -> None:
    before = (folder / "server.key").read_bytes()
    with pytest.raises(BadConfig, match="never overwritten"):
        make_server(folder)
    with pytest.raises(BadConfig, match="never overwritten"):
        make_client(folder, "scope-1", "source", folder.parent / "again")
    with pytest.raises(BadConfig, match="file exists"):
        make_client(folder, "scope-2", "source", folder.parent / "scope-1.keys")
    assert (folder / "server.key").read_bytes() == before
    assert len(AllowList.read(folder).grants) == 1


def test_a_key_file_is_there_whole_or_not_at_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def cut(fd: int) -> None:
        read.append(len(AllowList.read(folder).grants))  # a reload just now
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(BadConfig, match="no space left"):
        write_public(folder / "allowed/source/scope-2.pub", KeyPair.new().public)
    assert read == [1]
    assert [path.name for path in (folder / "allowed/source").iterdir()] == ["scope-1.pub"]


@pytest.mark.parametrize(
    ("role", "places"),
    [
        ("source", {"ingest"}),
        ("subscriber", {"results", "control"}),
        ("summariser", {"results", "control"}),
        ("operator", {"ingest", "results", "control"}),
    ],
)
def test_a_role_opens_its_sockets_and_no_others(folder: Path, role: Role, places: set[str]) -> None:
    key = make_client(folder, "someone", role, folder.parent / "someone")
    allowed = AllowList.read(folder)
    for place in ("ingest", "results", "control"):
        expected = f"{role}/someone/{key.decode()}" if place in places else None
        assert allowed.user(key, place) == expected
        assert allowed.user(KeyPair.new().public, place) is None


def test_a_key_folder_that_is_older_than_a_role_is_whole_without_it(folder: Path) -> None:
    (folder / "allowed" / "summariser").rmdir()
    assert len(AllowList.read(folder).grants) == 1
    key = make_client(folder, "words", "summariser", folder.parent / "words")
    assert AllowList.read(folder).user(key, "control") == f"summariser/words/{key.decode()}"
    assert stat.S_IMODE((folder / "allowed" / "summariser").stat().st_mode) == 0o755
    (folder / "allowed" / "subscriber").rmdir()
    with pytest.raises(BadConfig, match="subscriber: no such folder"):
        AllowList.read(folder)


def test_a_key_of_several_roles_speaks_in_the_one_that_may_most(folder: Path) -> None:
    key = make_client(folder, "both", "subscriber", folder.parent / "both")
    write_public(folder / "allowed/summariser/both.pub", key)
    assert AllowList.read(folder).user(key, "control") == f"summariser/both/{key.decode()}"


def test_one_key_may_have_two_roles(folder: Path) -> None:
    key = read_public(folder / "allowed/source/scope-1.pub")
    write_public(folder / "allowed/subscriber/scope-1.pub", key)
    allowed = AllowList.read(folder)
    assert allowed.user(key, "ingest") == f"source/scope-1/{key.decode()}"
    assert allowed.user(key, "control") == f"subscriber/scope-1/{key.decode()}"


def test_a_list_that_others_can_write_or_with_a_bad_file_is_refused_whole(folder: Path) -> None:
    entry = folder / "allowed/source/scope-1.pub"
    for path, good in ((folder / "allowed/source", 0o755), (entry, 0o644)):
        path.chmod(0o777)
        with pytest.raises(BadConfig, match="mode 0777 lets others write"):
            AllowList.read(folder)
        path.chmod(good)
    (folder / "allowed/source/.scope.pub.swp").write_text("x")  # an editor's: passed over
    assert len(AllowList.read(folder).grants) == 1
    (folder / "allowed/source/notes.txt").write_text("x")
    with pytest.raises(BadConfig, match=r"notes.txt: allowed NAME.pub"):
        AllowList.read(folder)


def test_every_reload_that_fails_is_logged_and_the_old_list_stays(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    guard = Guard(SecurityConfig(keys=folder), health := Health())
    stray = folder / "allowed" / "source" / "stray.txt"
    stray.write_text("hello")
    with pytest.raises(BadConfig, match=r"stray.txt: allowed NAME.pub"):
        guard.reload()
    stray.unlink()
    (folder / "allowed").chmod(0o777)
    with pytest.raises(BadConfig, match="mode 0777"):  # another reason, while the fault is open
        guard.reload()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "stray.txt" in told[0]
    assert "mode 0777" in told[1]
    assert len(guard.current().grants) == 1
    assert "allow_list" in health.snapshot()["faults"]
    guard.close()


def test_a_folder_that_cannot_be_looked_into_does_not_end_the_daemon(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = Guard(SecurityConfig(keys=folder), health := Health())

    def denied(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(BadConfig, match=r"allowed/source: permission denied"):
        guard.reload()
    assert len(guard.current().grants) == 1
    assert "allow_list" in health.snapshot()["faults"]
    guard.close()


def test_a_reload_does_not_tell_systemd_that_a_daemon_is_ready_before_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("phenostream.daemon.security.guard.notify", said.append)
    guard = Guard(SecurityConfig(keys=folder), health := Health())
    guard.reload()
    assert said == []
    health.enter("ready")
    guard.reload()
    assert [one.split("=")[0] for one in said] == ["RELOADING", "READY"]
    guard.close()
