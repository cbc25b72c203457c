"""Small synthetic mirrors, written once; a test that changes one takes a copy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from phenostream.trainer.data.bsccm.mirror import MirrorSettings, write_mirror

pytestmark = pytest.mark.trainer


@pytest.fixture(scope="session")
def small_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 cells in the layout of BSCCMNIST; to be read only."""
    root = tmp_path_factory.mktemp("mirror") / "BSCCMNIST"
    write_mirror(root, MirrorSettings(cells=60))
    return root


@pytest.fixture(scope="session")
def large_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same 60 cells in the layout of BSCCM; to be read only."""
    root = tmp_path_factory.mktemp("mirror") / "BSCCM"
    write_mirror(root, MirrorSettings(cells=60, variant="BSCCM"))
    return root


@pytest.fixture
def copied(small_mirror: Path, tmp_path: Path) -> Path:
    """A copy of the small mirror, to be broken."""
    return Path(shutil.copytree(small_mirror, tmp_path / "copy"))


@pytest.fixture
def edit(copied: Path) -> Callable[[str, str, str], None]:
    """Replace a text that must be there in a file of the copy."""

    def replace(name: str, old: str, new: str) -> None:
        path = copied / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return replace
