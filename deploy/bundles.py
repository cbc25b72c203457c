"""Where the demo bundle lies: it travels inside the package, so `bundle = "demo"` works on any box."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from phenostream.daemon.config import Config, load_config

DEMO: Final = "demo"


def demo_bundle() -> Path:
    """The folder of the synthetic demo bundle."""
    return Path(str(files("phenostream.deploy") / "demo_bundle"))


def bundle_path(name: str) -> Path:
    """A bundle by path, or the demo bundle by its name."""
    return demo_bundle() if name == DEMO else Path(name)


def load_site_config(path: Path) -> Config:
    """A daemon's configuration, with the demo bundle's name turned into its folder; raises as `load_config`."""
    config = load_config(path)
    model = config.model.model_copy(update={"bundle": str(bundle_path(config.model.bundle))})
    return config.model_copy(update={"model": model})
