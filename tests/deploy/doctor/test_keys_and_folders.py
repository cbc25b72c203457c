"""Keys, folders and the configuration's file are looked at as the daemon's user, whoever runs the doctor."""

import os
import pwd
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from phenostream.daemon.security.key_folder import make_client, make_server
from phenostream.deploy.doctor import bundle, configuration, folders, keys, sections
from phenostream.deploy.doctor.account import Account, NotThatUser, acting_as, may_write_in
from phenostream.deploy.doctor.finding import Finding, ok
from phenostream.deploy.doctor.patient import Patient
from phenostream.deploy.doctor.sections import Section
from tests.deploy.doctor.patients import installed, patient, the

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
NOBODY = Account("nobody", 65534, 65534, ())


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that everybody may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_an_account_has_all_its_groups() -> None:
    name = pwd.getpwuid(os.geteuid()).pw_name
    account = Account.named(name)
    assert account.uid == os.geteuid()
    assert account.gid in account.groups


@needs_root
def test_acting_as_somebody_ends_with_the_block(shared: Path) -> None:
    groups = os.getgroups()
    with acting_as(NOBODY):
        seen = os.geteuid(), os.getegid(), os.getgroups()
        could_write = may_write_in(shared)
    assert seen == (65534, 65534, [])
    assert not could_write
    assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, 0, groups)
    assert may_write_in(shared)


@needs_root
def test_who_is_not_root_cannot_act_as_another() -> None:
    root = acting_as(Account("root", 0, 0, ()))
    with acting_as(NOBODY), pytest.raises(NotThatUser, match="we are nobody, the daemon is root"):
        root.__enter__()


def test_no_keys_are_told_as_none(tmp_path: Path) -> None:
    found = list(keys.look(patient(tmp_path / "p")))
    assert {one.verdict for one in found} == {"ok"}


def keyed(tmp_path: Path) -> Patient:
    make_server(tmp_path / "keys")
    return patient(tmp_path / "p", '[security]\nkeys = "../keys"\n')


def test_keys_are_read_and_counted(tmp_path: Path) -> None:
    of = keyed(tmp_path)
    empty = the(list(keys.look(of)), "allow-list")
    assert empty.verdict == "warn"
    assert "phenostream keys client" in empty.todo
    make_client(tmp_path / "keys", "scope", "source", tmp_path / "scope")
    found = list(keys.look(of))
    assert the(found, "allow-list").found == "1 source, 0 subscriber, 0 summariser, 0 operator"
    assert the(found, "secret key").verdict == "ok"


def test_a_secret_that_others_can_read_and_a_list_that_others_can_write_fail(
    tmp_path: Path,
) -> None:
    of = keyed(tmp_path)
    (tmp_path / "keys/server.key").chmod(0o644)
    (tmp_path / "keys/allowed").chmod(0o777)
    found = list(keys.look(of))
    assert "mode 0644 lets others at a secret" in the(found, "secret key").found
    assert "mode 0777 lets others write" in the(found, "allow-list").found
    assert {the(found, what).verdict for what in ("secret key", "allow-list")} == {"fail"}


@needs_root
def test_who_may_not_look_is_told_to_ask_root(shared: Path) -> None:
    of = replace(patient(shared / "p"), account=Account("root", 0, 0, ()))
    (shared / "p/journal").mkdir(mode=0o700)

    def forbidden(of: Patient) -> Iterator[Finding]:
        yield ok("seen", "x")
        list((shared / "p/journal").iterdir())

    with acting_as(NOBODY):
        found = sections._looked(Section("folders", forbidden), of)
    assert [one.verdict for one in found] == ["ok", "not run"]
    assert found[1].found == f"{shared}/p/journal: we may not look there: sudo phenostream doctor"
    found = sections._looked(Section("folders", forbidden), of)
    assert [one.verdict for one in found] == ["ok"]


def test_a_companions_keys_are_read_in_their_folder(tmp_path: Path) -> None:
    make_server(tmp_path / "keys")
    make_client(tmp_path / "keys", "words", "summariser", tmp_path / "words")
    of = patient(tmp_path / "p", '[summary]\nkeys = "../words"\n')
    assert the(list(keys.look(of)), "summary.keys").verdict == "ok"
    (tmp_path / "words/client.key").chmod(0o640)
    assert the(list(keys.look(of)), "summary.keys").verdict == "fail"


@needs_root
def test_a_secret_of_root_alone_fails_unless_systemd_hands_it_over(shared: Path) -> None:
    of = replace(keyed(shared), account=NOBODY)
    assert the(list(keys.look(of)), "secret key").verdict == "fail"
    unit = f"[Service]\nLoadCredential=server.key:{shared}/keys/server.key\n"
    handed = replace(of, unit_file=installed(shared / "root", unit).unit_file)
    found = the(list(keys.look(handed)), "secret key")
    assert found.verdict == "ok"
    assert "as a credential" in found.found


def test_a_folder_that_is_not_there_can_be_made_and_one_open_to_all_fails(tmp_path: Path) -> None:
    of = patient(tmp_path / "p")
    found = list(folders.look(of))
    assert {one.verdict for one in found} == {"ok"}
    assert "not there yet; user" in the(found, "journal.directory").found
    (tmp_path / "p/journal").mkdir()
    (tmp_path / "p/journal").chmod(0o777)
    found = list(folders.look(of))
    assert the(found, "journal.directory").verdict == "fail"
    assert "mode 0777 lets anyone write in it" in the(found, "journal.directory").found


@needs_root
def test_a_journal_of_another_user_fails_with_the_command_that_mends_it(shared: Path) -> None:
    of = replace(patient(shared / "p"), account=NOBODY)
    (shared / "p").chmod(0o755)
    (shared / "p/journal").mkdir(mode=0o700)
    found = the(list(folders.look(of)), "journal.directory")
    assert found.verdict == "fail"
    assert found.todo.startswith("sudo chown -R nobody: ")


def test_what_the_unit_makes_need_not_be_there(tmp_path: Path) -> None:
    root = tmp_path / "root"
    settings = f'[quarantine]\ndirectory = "{root}/var/lib/phenostream/quarantine"\n'
    of = installed(root, "[Service]\nStateDirectory=%N\n", settings)
    assert of.unit is not None
    found = the(list(folders.look(of)), "quarantine.directory")
    assert found.found.endswith("made by the unit at its start")


def test_a_configuration_that_anyone_may_change_fails(tmp_path: Path) -> None:
    of = patient(tmp_path / "p")
    assert {one.verdict for one in configuration.look(of)} == {"ok"}
    assert of.path is not None
    of.path.chmod(0o666)
    assert the(list(configuration.look(of)), "mode").verdict == "fail"


def test_a_configuration_that_is_refused_is_told_in_its_own_words(tmp_path: Path) -> None:
    of = patient(tmp_path / "p", "[limits]\nframes_queued = 0\n")
    assert of.config is None
    found = the(list(configuration.look(of)), "file")
    assert found.verdict == "fail"
    assert "limits.frames_queued: 0: allowed" in found.found


def test_synthetic_weights_and_an_altered_bundle_are_told(tmp_path: Path) -> None:
    of = patient(tmp_path / "p")
    found = list(bundle.look(of))
    assert the(found, "hashes").verdict == "ok"
    assert the(found, "weights").verdict == "warn"
    (tmp_path / "b").mkdir()
    assert of.config is not None
    for path in Path(of.config.model.bundle).iterdir():
        (tmp_path / "b" / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "b/model.onnx").open("ab") as file:
        file.write(b"x")
    model = of.config.model.model_copy(update={"bundle": str(tmp_path / "b")})
    broken = replace(of, config=of.config.model_copy(update={"model": model}))
    (found_broken,) = bundle.look(broken)
    assert found_broken.verdict == "fail"
    assert "model.onnx" in found_broken.found
