"""A verified bundle, and a box with a virtual GPU that must be clean at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from phenostream.engine.bundle import Bundle, load_bundle
from tests.engine.backends.tensorrt.virtual_box import VirtualBox

DEMO = Path(__file__).parents[4] / "deploy" / "demo_bundle"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(DEMO)


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualBox]:
    """At the end of a test nothing was refused, and nothing is left on the GPU."""
    made = VirtualBox().install(monkeypatch)
    yield made
    made.gpu.verify()
