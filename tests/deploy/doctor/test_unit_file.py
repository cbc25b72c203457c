"""A unit is read as systemd reads it: fragment, drop-ins, templates, resets, comments and specifiers."""

from pathlib import Path

import pytest

from phenostream.deploy.doctor.unit_file import UnitFile, UnitName
from phenostream.engine.errors import BadConfig


def write(root: Path, path: str, text: str) -> None:
    whole = root / path
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_text(text)


def found(root: Path, name: str) -> UnitFile:
    unit = UnitFile.find(UnitName(name), root)
    assert unit is not None
    return unit


def test_a_drop_in_adds_replaces_and_takes_back(tmp_path: Path) -> None:
    write(
        tmp_path,
        "usr/lib/systemd/system/a.service",
        "# said\n[Unit]\nDescription=x\n[Service]\nUser=one\nAllow=1 \\\n  2\nAllow=3\nDeny=4\n",
    )
    write(tmp_path, "etc/systemd/system/a.service.d/b.conf", "[Service]\nUser=two\nDeny=\n")
    write(tmp_path, "run/systemd/system/a.service.d/a.conf", "[Service]\nAllow=5\nUser=three\n")
    unit = found(tmp_path, "a.service")
    assert unit.value("User") == "two"
    assert unit.values("Allow") == ["1 2", "3", "5"]
    assert unit.values("Deny") == []
    assert unit.value("Description", "Unit") == "x"
    assert unit.value("Description") is None
    assert [path.name for path in unit.drop_ins] == ["a.conf", "b.conf"]


def test_the_same_name_in_etc_hides_the_one_in_lib(tmp_path: Path) -> None:
    for folder, user in (("usr/lib", "vendor"), ("etc", "site")):
        write(tmp_path, f"{folder}/systemd/system/a.service", f"[Service]\nUser={user}\n")
        write(tmp_path, f"{folder}/systemd/system/a.service.d/x.conf", f"[Service]\nGroup={user}\n")
    unit = found(tmp_path, "a.service")
    assert (unit.value("User"), unit.value("Group")) == ("site", "site")
    assert len(unit.drop_ins) == 1


def test_an_instance_is_its_template_with_the_drop_ins_of_both(tmp_path: Path) -> None:
    folder = "etc/systemd/system"
    write(
        tmp_path, f"{folder}/a@.service", "[Service]\nStateDirectory=%N %N/x\nA=%i %p %n %%N %S\n"
    )
    write(tmp_path, f"{folder}/a@.service.d/1.conf", "[Service]\nB=all\n")
    write(tmp_path, f"{folder}/a@one.service.d/2.conf", "[Service]\nB=mine\n")
    unit = found(tmp_path, "a@one.service")
    assert unit.values("StateDirectory") == ["a@one a@one/x"]
    assert unit.value("A") == "one a a@one.service %N /var/lib"
    assert unit.value("B") == "mine"
    assert UnitFile.find(UnitName("b@one.service"), tmp_path) is None


def test_a_specifier_that_nobody_knows_is_refused_in_one_line(tmp_path: Path) -> None:
    write(tmp_path, "etc/systemd/system/a.service", "[Service]\nX=%z\n")
    with pytest.raises(BadConfig, match=r"^a.service: specifier %z in '%z': allowed n, N"):
        found(tmp_path, "a.service").value("X")
