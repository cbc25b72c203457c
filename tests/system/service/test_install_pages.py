"""The pages about installing, copying and upgrading, typed command by command on a box that has nothing of ours."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from phenostream.deploy.install.commands import run
from phenostream.deploy.install.wheelhouse import make_wheelhouse, read_wheelhouse
from phenostream.deploy.install.wheels import file_sha256, read_wheel
from phenostream.engine.errors import BadConfig
from tests.deploy.install.toy_box import toy_wheel
from tests.system.daemon_process import ROOT
from tests.system.service.container import Container, lacking
from tests.system.service.pages import Command, Shell, commands
from tests.system.service.software import CACHE, wheels

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]
MISSING = lacking()
needs_container = pytest.mark.skipif(MISSING is not None, reason=f"no container here: {MISSING}")
SITE = "/srv/site"
PATIENCE_S = 400.0


def folder() -> Path:
    """A folder of `bundle-wheels` with the wheel of this tree, made again when that has changed."""
    (ours,) = wheels().glob("phenostream-*.whl")
    at = CACHE / "phenostream-wheels"
    try:
        if read_wheelhouse(at).wheel.sha256 == file_sha256(ours):
            return at
    except BadConfig:
        pass
    shutil.rmtree(at, ignore_errors=True)
    return make_wheelhouse(at, read_wheel(ours), ["monitor"], run, compiles=False).folder


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Container]:
    """A box with the folder, and a wheel whose daemon ends before it is ready."""
    toy_wheel(tmp_path, "9.0")
    shown = {folder(): f"{SITE}/phenostream-wheels", tmp_path: "/srv/broken"}
    with Container(shown) as booted:
        yield booted


@needs_container
def test_every_command_of_the_pages_works_and_a_release_that_fails_gives_way(
    machine: Container,
) -> None:
    with Shell(machine, SITE) as shell:
        for page in ("install.md", "backup.md", "upgrade.md"):
            for command in commands(ROOT / "docs" / page):
                shell.run(command, PATIENCE_S)
        published = shell.run(Command("phenostream status ipc:///run/phenostream/control", 0), 20)
        assert "all runs" in published
        before = machine.must("readlink", "/opt/phenostream/current")
        wheel = "/srv/broken/phenostream-9.0-py3-none-any.whl"
        said = shell.run(Command(f"phenostream install --wheel {wheel}", 1), PATIENCE_S)
    assert "phenostream.service did not become ready" in said
    assert f"went back to {Path(before.strip()).name}, on which phenostream is ready" in said
    assert machine.must("readlink", "/opt/phenostream/current") == before
    assert machine.must("systemctl", "is-active", "phenostream").strip() == "active"
