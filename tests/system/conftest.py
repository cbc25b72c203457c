"""Fixtures of real daemons and of the small camera that feeds them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from phenostream.daemon.wire.ingest import Start
from tests.system import small_camera
from tests.system.daemon_process import DaemonProcess
from tests.system.toy_bundle import write_toy_bundle


@pytest.fixture(scope="session")
def toy_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `write_toy_bundle`."""
    folder = tmp_path_factory.mktemp("bundle")
    write_toy_bundle(folder)
    return folder


@pytest.fixture
def make_daemon(
    toy_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., DaemonProcess]]:
    """Makes daemons that are killed at the end of the test if they still run."""
    made: list[DaemonProcess] = []

    def make(extra: str = "", folder: Path | None = None) -> DaemonProcess:
        made.append(DaemonProcess(folder or tmp_path_factory.mktemp("d"), toy_bundle, extra))
        return made[-1]

    yield make
    for daemon in made:
        daemon.kill()


@pytest.fixture
def small_start() -> Callable[..., Start]:
    """Makes a START of a 128 x 128 u8 camera."""
    return small_camera.small_start


@pytest.fixture(scope="session")
def small_frame() -> small_camera.Image:
    """A grey frame with four small discs that are bright toward the light."""
    return small_camera.small_frame()
