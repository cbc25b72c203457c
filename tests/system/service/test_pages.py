"""The pages of a service that runs, typed command by command; those of installing it have a test of their own."""

from pathlib import Path

import pytest

from tests.system.daemon_process import ROOT
from tests.system.service.box import COMMAND, installed_box
from tests.system.service.container import lacking
from tests.system.service.pages import Shell, commands

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
MISSING = lacking()
PAGES = ("operate.md",)
PATIENCE_S = 90.0


@pytest.mark.skipif(MISSING is not None, reason=f"no container here: {MISSING}")
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_works(page: str) -> None:
    with installed_box() as box:
        box.machine.must("ln", "-s", COMMAND, "/usr/local/bin/phenostream")
        box.machine.write("/usr/local/bin/sudo", '#!/bin/sh\nexec "$@"\n', 0o755)
        box.daemon.must("start")
        with Shell(box.machine, "/root") as shell:
            for command in commands(ROOT / "docs" / page):
                shell.run(command, PATIENCE_S)
        assert box.daemon.fact("ActiveState") == "active"


def test_every_page_with_commands_is_typed_by_a_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    pages = [path.name for path in (ROOT / "docs").glob("*.md") if commands(path)]
    assert pages
    assert [name for name in pages if f'"{name}"' not in tests] == []
