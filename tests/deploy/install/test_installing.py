"""Installing an instance: once, again, newer, back; and nothing that runs is touched by what cannot be."""

import errno
import fcntl
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from phenostream.daemon.config import load_config
from phenostream.daemon.security.allow_list import AllowList
from phenostream.daemon.security.keys import ClientKeys
from phenostream.deploy.install import unit_files
from phenostream.deploy.install.errors import InstallFailed
from phenostream.deploy.install.files import write_whole
from phenostream.deploy.install.installing import Order, check_box, install, roll_back
from phenostream.deploy.install.listen import Listen
from phenostream.deploy.install.places import LOCK, Places
from phenostream.deploy.install.python import Python
from phenostream.deploy.install.record import only_one
from phenostream.deploy.install.release import online
from phenostream.deploy.install.steps import Steps
from phenostream.deploy.install.systemd import Systemd
from phenostream.deploy.install.uninstalling import uninstall
from phenostream.deploy.install.wheels import read_wheel
from phenostream.engine.errors import BadConfig
from tests.deploy.install.toy_box import ToyBox, toy_systemd, toy_wheel

PYTHON = Python(Path("/usr/bin/python3"), "3.11.2")
ORDER = Order("", "cpu", None, None, PYTHON, units_only=False, starts=True)


@pytest.fixture
def box(tmp_path: Path) -> ToyBox:
    """An empty tree."""
    return ToyBox(tmp_path / "root")


def order(tmp_path: Path, version: str = "1.0", *, unit: str = "", instance: str = "") -> Order:
    """To install a toy wheel."""
    wheel = read_wheel(toy_wheel(tmp_path, version, unit))
    return replace(ORDER, instance=instance, software=online(wheel, ["monitor"]))


def installed(box: ToyBox, what: Order, *, dry: bool = False) -> Steps:
    """Install and say what was done."""
    steps = Steps(dry)
    install(what, toy_systemd(box), steps)
    return steps


def release_name(what: Order) -> str:
    assert what.software is not None
    return what.software.release(PYTHON)


def killed_at(word: str) -> Callable[[Sequence[str]], None]:
    """What a kill before a certain command looks like."""

    def look(command: Sequence[str]) -> None:
        if word in " ".join(command):
            raise KeyboardInterrupt

    return look


def done(steps: Steps) -> list[str]:
    return [step.what for step in steps.taken if step.state == "done"]


def running(box: ToyBox) -> str:
    """Version of the release that the link leads to."""
    return os.readlink(box.root / "opt/phenostream/current").removeprefix("releases/").split("-")[0]


def test_a_first_installation_puts_all_in_place_and_starts_it(box: ToyBox, tmp_path: Path) -> None:
    steps = installed(box, order(tmp_path))
    units = box.root / "etc/systemd/system"
    assert (units / "phenostream.service").is_file()
    assert (units / "phenostream.service.d/50-backend.conf").is_file()
    assert (units / "phenostream.service.d/50-network.conf").is_file()
    assert not (units / "phenostream@.service").exists()
    assert (box.root / "etc/sysusers.d/phenostream.conf").is_file()
    assert (
        os.readlink(box.root / "usr/local/bin/phenostream")
        == "/opt/phenostream/current/bin/phenostream"
    )
    assert "phenostream" in box.enabled
    assert "phenostream" in box.active
    assert "systemd-sysusers" in box.ran
    assert "daemon-reload" in box.ran
    assert box.ran.index("daemon-reload") < box.ran.index("restart phenostream.service")
    assert any(what.startswith("start phenostream.service") for what in done(steps))


def test_the_first_configuration_is_good_and_names_the_places_of_the_service(
    box: ToyBox, tmp_path: Path
) -> None:
    installed(box, order(tmp_path, instance="scope1"))
    config = load_config(box.root / "etc/phenostream@scope1/config.toml")
    assert config.ingest.endpoint == "ipc:///run/phenostream@scope1/ingest"
    assert str(config.journal.directory) == "/var/lib/phenostream@scope1/journal"
    assert str(config.model.engine_cache) == "/var/cache/phenostream@scope1/engines"
    assert config.security.ipc_group == "phenostream"
    assert not config.summary.start


def test_a_second_time_nothing_is_done(box: ToyBox, tmp_path: Path) -> None:
    installed(box, order(tmp_path))
    box.ran.clear()
    steps = installed(box, order(tmp_path))
    assert not steps.changed
    assert box.ran == []


def test_a_daemon_that_is_down_is_started_by_installing_again(box: ToyBox, tmp_path: Path) -> None:
    installed(box, order(tmp_path))
    box.ran.clear()
    box.active.clear()
    installed(box, order(tmp_path))
    assert "phenostream" in box.starts()


def test_a_dry_run_tells_what_an_installation_does_and_does_nothing(
    box: ToyBox, tmp_path: Path
) -> None:
    what = order(tmp_path)
    told = installed(box, what, dry=True)
    assert not box.root.exists()
    assert box.ran == []
    would = [step.what for step in told.taken if step.state == "would do"]
    assert would == done(installed(box, what))


def test_another_instance_leaves_the_first_alone(box: ToyBox, tmp_path: Path) -> None:
    installed(box, order(tmp_path))
    box.ran.clear()
    installed(box, order(tmp_path, instance="scope1"))
    assert not any(unit in ("phenostream", "phenostream-monitor") for unit in box.starts())
    assert {"phenostream", "phenostream@scope1"} <= box.active
    same = [box.root / "etc/systemd/system" / f"phenostream{at}.service" for at in ("", "@")]
    assert same[0].read_text() == same[1].read_text()


def test_an_upgrade_is_one_of_the_instances_that_are_there_and_adds_none(
    box: ToyBox, tmp_path: Path
) -> None:
    for name in ("scope1", "scope2"):
        installed(box, order(tmp_path, instance=name))
    box.ran.clear()
    upgrade = replace(order(tmp_path, "1.1"), instance=None)
    installed(box, upgrade)
    started = [unit for unit in box.starts() if unit.startswith("phenostream@")]
    assert started == ["phenostream@scope1", "phenostream@scope2"]
    assert not (box.root / "etc/phenostream").exists()
    assert not (box.root / "etc/systemd/system/phenostream.service").exists()
    with pytest.raises(BadConfig, match=r"--listen \*: allowed for one instance, --instance NAME"):
        installed(box, replace(upgrade, listen=Listen("*")))


def test_at_first_it_is_the_instance_without_a_name(box: ToyBox, tmp_path: Path) -> None:
    installed(box, replace(order(tmp_path), instance=None))
    assert "phenostream" in box.active


def test_an_upgrade_keeps_configuration_and_the_release_before(box: ToyBox, tmp_path: Path) -> None:
    installed(box, order(tmp_path))
    config = box.root / "etc/phenostream/config.toml"
    config.write_text(config.read_text() + "# ours\n")
    box.ran.clear()
    steps = installed(box, order(tmp_path, "1.1"))
    assert running(box) == "1.1"
    assert config.read_text().endswith("# ours\n")
    assert "phenostream" in box.starts()
    assert any("it is the site's" in s.what for s in steps.taken if s.state == "left alone")
    installed(box, order(tmp_path, "1.2"))
    kept = {path.name.split("-")[0] for path in (box.root / "opt/phenostream/releases").iterdir()}
    assert kept == {"1.1", "1.2"}


def test_a_release_that_does_not_become_ready_gives_way_to_the_one_before(
    box: ToyBox, tmp_path: Path
) -> None:
    installed(box, order(tmp_path, unit="# of 1.0\n"))
    box.broken.add("1.1")
    with pytest.raises(InstallFailed, match=r"not become ready.*went back to 1\.0-.* is ready"):
        installed(box, order(tmp_path, "1.1", unit="# of 1.1\n"))
    assert running(box) == "1.0"
    assert "phenostream" in box.active
    unit = box.root / "etc/systemd/system/phenostream.service"
    assert unit.read_text().endswith("# of 1.0\n")
    assert not (box.root / "opt/phenostream/previous").is_symlink()
    box.broken.clear()
    installed(box, order(tmp_path, "1.1", unit="# of 1.1\n"))
    assert (running(box), unit.read_text().endswith("# of 1.1\n")) == ("1.1", True)


def test_a_new_instance_that_does_not_become_ready_is_told_and_no_release_changes(
    box: ToyBox, tmp_path: Path
) -> None:
    box.broken.add("1.0")
    with pytest.raises(InstallFailed, match=r"phenostream\.service did not become ready") as failed:
        installed(box, order(tmp_path))
    assert "journalctl -u phenostream" in str(failed.value)
    assert "went back" not in str(failed.value)
    assert running(box) == "1.0"


def test_rollback_brings_the_release_and_the_units_before_back(box: ToyBox, tmp_path: Path) -> None:
    installed(box, order(tmp_path, unit="# of 1.0\n"))
    installed(box, order(tmp_path, "1.1", unit="# of 1.1\n"))
    box.ran.clear()
    roll_back(toy_systemd(box), Steps(dry=False), starts=True)
    assert running(box) == "1.0"
    unit = box.root / "etc/systemd/system/phenostream.service"
    assert unit.read_text().endswith("# of 1.0\n")
    assert "phenostream" in box.starts()
    roll_back(toy_systemd(box), Steps(dry=False), starts=True)
    assert running(box) == "1.1"


def test_there_is_nothing_to_roll_back_to_after_a_first_installation(
    box: ToyBox, tmp_path: Path
) -> None:
    installed(box, order(tmp_path))
    with pytest.raises(BadConfig, match="--rollback: no release before this one"):
        roll_back(toy_systemd(box), Steps(dry=False), starts=True)


def test_a_release_that_refuses_a_configuration_never_runs(box: ToyBox, tmp_path: Path) -> None:
    installed(box, order(tmp_path))
    (box.root / "etc/phenostream/config.toml").write_text("refused = true\n")
    box.ran.clear()
    with pytest.raises(BadConfig, match=r"refused: true: release 1\.1-.* refuses this config"):
        installed(box, order(tmp_path, "1.1"))
    assert running(box) == "1.0"
    assert box.ran == []


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("etc/systemd/system/phenostream.service", "not as this command wrote it"),
        ("etc/sysusers.d/phenostream.conf", "not as this command wrote it"),
        ("usr/lib/systemd/system/phenostream.service", "installed already, by a package"),
        ("usr/local/bin/phenostream", "not ours: move it away"),
    ],
)
def test_somebody_elses_file_is_never_overwritten(
    path: str, told: str, box: ToyBox, tmp_path: Path
) -> None:
    other = box.root / path
    other.parent.mkdir(parents=True)
    other.write_text("theirs\n")
    with pytest.raises(BadConfig, match=told) as refused:
        installed(box, order(tmp_path))
    assert path in str(refused.value)
    assert other.read_text() == "theirs\n"
    assert box.ran == []
    assert not (box.root / "etc/phenostream").exists()


def test_a_unit_that_was_changed_by_hand_is_not_overwritten(box: ToyBox, tmp_path: Path) -> None:
    installed(box, order(tmp_path))
    unit = box.root / "etc/systemd/system/phenostream.service"
    unit.write_text(unit.read_text() + "# mine\n")
    with pytest.raises(BadConfig, match="systemctl edit"):
        installed(box, order(tmp_path, "1.1", unit="# new\n"))
    assert unit.read_text().endswith("# mine\n")
    assert running(box) == "1.0"


def test_a_masked_unit_is_not_unmasked(box: ToyBox, tmp_path: Path) -> None:
    unit = box.root / "etc/systemd/system/phenostream.service"
    unit.parent.mkdir(parents=True)
    unit.symlink_to("/dev/null")
    with pytest.raises(BadConfig, match=r"link to /dev/null is in the way.*systemctl unmask"):
        installed(box, order(tmp_path))


def test_a_kill_while_the_release_is_made_leaves_nothing_that_may_run(
    box: ToyBox, tmp_path: Path
) -> None:
    what = order(tmp_path)
    box.fails = killed_at(" pip ")
    with pytest.raises(KeyboardInterrupt):
        installed(box, what)
    half = box.root / "opt/phenostream/releases" / release_name(what)
    (half / "bin").mkdir(parents=True)  # as kill -9 would leave it
    box.fails = lambda command: None
    installed(box, what)
    assert not (half / "bin").exists()
    assert json.loads((half / "release.json").read_text())["version"] == "1.0"


@pytest.mark.parametrize(
    ("at", "seen_to"),
    [
        ("daemon-reload", "daemon-reload"),
        ("enable", "daemon-reload"),
        ("restart", "restart phenostream.service"),
    ],
)
@pytest.mark.parametrize("then", ["1.1", "1.2"])
def test_a_kill_at_any_later_step_is_mended_by_installing_again(
    at: str, seen_to: str, then: str, box: ToyBox, tmp_path: Path
) -> None:
    installed(box, order(tmp_path, unit="# of 1.0\n"))
    box.enabled.clear()
    box.fails = killed_at(at)
    with pytest.raises(KeyboardInterrupt):
        installed(box, order(tmp_path, "1.1", unit="# of 1.1\n"))
    box.fails = lambda command: None
    box.ran.clear()
    installed(box, order(tmp_path, then, unit=f"# of {then}\n"))
    assert running(box) == then
    assert seen_to in box.ran
    assert "restart phenostream.service" in box.ran
    assert {"phenostream"} <= box.enabled & box.active
    assert not installed(box, order(tmp_path, then, unit=f"# of {then}\n")).changed


def test_users_that_a_kill_left_unmade_are_made_by_installing_again(
    box: ToyBox, tmp_path: Path
) -> None:
    box.fails = killed_at("systemd-sysusers")
    with pytest.raises(KeyboardInterrupt):
        installed(box, order(tmp_path))
    box.fails = lambda command: None
    installed(box, order(tmp_path))
    assert "systemd-sysusers" in box.ran


def test_an_instance_that_fails_with_a_new_release_is_taken_off_again(
    box: ToyBox, tmp_path: Path
) -> None:
    installed(box, order(tmp_path))
    box.broken.add("1.1")
    with pytest.raises(InstallFailed, match=r"went back to 1\.0-"):
        installed(box, order(tmp_path, "1.1", instance="scope1"))
    units = box.root / "etc/systemd/system"
    assert not (units / "phenostream@.service").exists()
    assert box.active >= {"phenostream"}
    assert not {"phenostream@scope1"} & (box.active | box.enabled)
    assert (box.root / "etc/phenostream@scope1/config.toml").exists()


def test_tcp_comes_with_keys_and_its_own_ports(box: ToyBox, tmp_path: Path) -> None:
    for instance in ("", "two"):
        what = order(tmp_path, instance=instance)
        installed(box, replace(what, listen=Listen("10.0.0.5")))
    one, two = (
        tomllib.loads((box.root / f"etc/phenostream{name}/config.toml").read_text())
        for name in ("", "@two")
    )
    assert one["ingest"]["endpoint"] == "tcp://10.0.0.5:5555"
    assert one["control"]["endpoint"] == "tcp://10.0.0.5:5557"
    assert two["ingest"]["endpoint"] == "tcp://10.0.0.5:5558"
    assert one["security"]["keys"] == "/etc/phenostream/keys"
    secret = box.root / "etc/phenostream/keys/server.key"
    assert secret.stat().st_mode & 0o777 == 0o600
    lan = (box.root / "etc/systemd/system/phenostream.service.d/50-network.conf").read_text()
    assert "10.0.0.0/8" in lan
    before = secret.read_bytes()
    installed(box, replace(order(tmp_path), listen=Listen("10.0.0.5")))
    assert secret.read_bytes() == before


@pytest.mark.parametrize("at", range(1, 9))
def test_keys_that_a_kill_left_half_made_are_made_again(
    box: ToyBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    writes, link = iter(range(1, 100)), os.link

    def killed(source: Path, target: Path) -> None:
        if next(writes) == at:
            raise KeyboardInterrupt
        link(source, target)

    monkeypatch.setattr(os, "link", killed)
    what = replace(order(tmp_path), listen=Listen("10.0.0.5"))
    with pytest.raises(KeyboardInterrupt):
        installed(box, what)
    installed(box, what)
    folder = box.root / "etc/phenostream"
    assert len(AllowList.read(folder / "keys").grants) == 2
    for beside in ("monitor", "summariser"):
        ClientKeys.read(folder / f"{beside}.keys")
    assert list(folder.glob(".*")) == []


def test_a_companion_that_the_configuration_has_no_more_use_for_is_no_longer_started(
    box: ToyBox, tmp_path: Path
) -> None:
    installed(box, order(tmp_path))
    assert "phenostream-monitor" in box.enabled & box.active
    config = box.root / "etc/phenostream/config.toml"
    config.write_text(re.sub(r"(?m)^address = .*$", 'address = ""', config.read_text()))
    installed(box, order(tmp_path))
    assert "phenostream-monitor" not in box.enabled | box.active
    assert "phenostream" in box.enabled & box.active
    assert not installed(box, order(tmp_path)).changed


def test_a_disk_that_fills_while_units_are_written_brings_the_release_before_back(
    box: ToyBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(box, order(tmp_path, unit="# of 1.0\n"))
    full = iter([True])

    def write(path: Path, content: str) -> None:
        if path.name == "phenostream.service" and next(full, False):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_whole(path, content)

    monkeypatch.setattr(unit_files, "write_whole", write)
    with pytest.raises(InstallFailed, match=r"No space left.*went back to 1\.0-.* is ready"):
        installed(box, order(tmp_path, "1.1", unit="# of 1.1\n"))
    assert running(box) == "1.0"
    unit = box.root / "etc/systemd/system/phenostream.service"
    assert unit.read_text().endswith("# of 1.0\n")


def test_what_is_asked_for_must_not_contradict_the_configuration_that_is_there(
    box: ToyBox, tmp_path: Path
) -> None:
    installed(box, order(tmp_path))
    with pytest.raises(BadConfig, match=r"--listen 10\.0\.0\.5: .*is there already"):
        installed(box, replace(order(tmp_path), listen=Listen("10.0.0.5")))


def test_a_changed_endpoint_changes_what_the_unit_may_reach(box: ToyBox, tmp_path: Path) -> None:
    installed(box, order(tmp_path))
    config = box.root / "etc/phenostream/config.toml"
    text = config.read_text().replace("ipc:///run/phenostream/ingest", "tcp://127.0.0.1:6000")
    config.write_text(text)
    installed(box, order(tmp_path))
    assert not (box.root / "etc/systemd/system/phenostream.service.d/50-network.conf").exists()
    assert (box.root / "etc/systemd/system/phenostream.service.d/50-backend.conf").exists()


def test_uninstalling_keeps_what_the_site_wrote_and_what_was_found_out(
    box: ToyBox, tmp_path: Path
) -> None:
    for instance in ("", "scope1"):
        installed(box, order(tmp_path, instance=instance))
    journal = box.root / "var/lib/phenostream/journal/0"
    journal.parent.mkdir(parents=True)
    journal.write_text("results")
    steps = Steps(dry=False)
    uninstall("", toy_systemd(box), steps, purge=False)
    units = box.root / "etc/systemd/system"
    assert not (units / "phenostream.service").exists()
    assert not (units / "phenostream.service.d").exists()
    assert (units / "phenostream@.service").exists()
    assert box.active == {unit for unit in box.active if "@scope1" in unit}
    assert journal.read_text() == "results"
    assert any("kept (--purge" in step.what for step in steps.taken)
    uninstall("scope1", toy_systemd(box), Steps(dry=False), purge=True)
    assert not (box.root / "etc/phenostream@scope1").exists()
    assert not (box.root / "opt/phenostream").exists()
    assert not (box.root / "usr/local/bin/phenostream").is_symlink()
    assert list(units.rglob("*phenostream*")) == []
    assert journal.exists()
    again = Steps(dry=False)
    uninstall("scope1", toy_systemd(box), again, purge=False)
    assert not again.changed


def test_an_instance_that_was_started_without_us_is_stopped_before_it_is_purged(
    box: ToyBox, tmp_path: Path
) -> None:
    installed(box, order(tmp_path, instance="scope1"))
    journal = box.root / "var/lib/phenostream@scope2/journal/0"
    journal.parent.mkdir(parents=True)
    journal.write_text("results")
    box.active.add("phenostream@scope2")
    uninstall("scope2", toy_systemd(box), Steps(dry=False), purge=True)
    assert "stop phenostream@scope2.service" in box.ran
    assert "phenostream@scope2" not in box.active
    assert not journal.exists()


def test_a_folder_of_that_name_that_somebody_else_made_is_not_removed(
    box: ToyBox, tmp_path: Path
) -> None:
    theirs = box.root / "opt/phenostream/checkout/notes.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    before = Steps(dry=False)
    uninstall("", toy_systemd(box), before, purge=False)
    assert not before.changed
    installed(box, order(tmp_path))
    uninstall("", toy_systemd(box), steps := Steps(dry=False), purge=False)
    assert theirs.read_text() == "theirs"
    assert [path.name for path in (box.root / "opt/phenostream").iterdir()] == ["checkout"]
    assert any("something else is in it" in step.what for step in steps.taken)


def test_what_a_site_keeps_on_another_disk_is_not_purged_and_the_rest_is(
    box: ToyBox, tmp_path: Path
) -> None:
    installed(box, order(tmp_path))
    disk = tmp_path / "disk"
    (disk / "journal").mkdir(parents=True)
    (box.root / "var/lib").mkdir(parents=True, exist_ok=True)
    (box.root / "var/lib/phenostream").symlink_to(disk)
    uninstall("", toy_systemd(box), steps := Steps(dry=False), purge=True)
    assert (disk / "journal").is_dir()
    assert not (box.root / "etc/phenostream").exists()
    assert any(f"a link to {disk}" in step.what for step in steps.taken)


def test_nothing_is_purged_under_somebody_elses_service_that_runs(box: ToyBox) -> None:
    journal = box.root / "var/lib/phenostream/journal/0"
    journal.parent.mkdir(parents=True)
    journal.write_text("results")
    box.active.add("phenostream")
    with pytest.raises(BadConfig, match=r"--purge: phenostream\.service runs"):
        uninstall("", toy_systemd(box), Steps(dry=False), purge=True)
    assert journal.exists()
    assert box.ran == []


def test_one_at_a_time(box: ToyBox, tmp_path: Path) -> None:
    with only_one(Places(box.root)), pytest.raises(BadConfig, match=rf"process {os.getpid()}, or"):
        installed(box, order(tmp_path))


def test_a_program_that_outlives_a_killed_installation_keeps_others_out_until_its_end(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "wait")
    script = (
        "import sys; from pathlib import Path\n"
        "from phenostream.deploy.install.commands import run\n"
        "from phenostream.deploy.install.places import Places\n"
        "from phenostream.deploy.install.record import only_one\n"
        "with only_one(Places(Path(sys.argv[1]))):\n"
        "    run(('sh', '-c', f'echo at work; cat {sys.argv[1]}/wait'), lambda line: print(line, flush=True))"
    )
    words = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "at work\n"
        killed.kill()
    try:
        told = f"process {killed.pid}, or a program that it started, is installing here"
        with pytest.raises(BadConfig, match=told), only_one(Places(tmp_path)):
            pass
    finally:
        (tmp_path / "wait").write_text("")  # its end
    with Places(tmp_path).at(LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # nobody has it any more, and if it takes a moment
    with only_one(Places(tmp_path)):
        pass


def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BadConfig, match=r"user 1000: allowed root \(sudo\), or --root DIR"):
        check_box(Systemd(Places()), Steps(dry=False), starts=False)


def test_a_box_without_systemd_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("phenostream.deploy.install.systemd._BOOTED", Path("/no/such/folder"))
    with pytest.raises(BadConfig, match="systemd does not run this box: allowed with --no-start"):
        check_box(Systemd(Places()), Steps(dry=False), starts=True)
