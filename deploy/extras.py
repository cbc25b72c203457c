"""The extras of pyproject.toml, by the packages that need them: a missing one is one clear line, not a traceback."""

from importlib.util import find_spec

from phenostream.engine.errors import MissingPackage


def need(package: str, extra: str) -> None:
    """Check that an optional package is installed, without importing it.

    Raises:
        MissingPackage: It is not; the text names the extra that brings it.
    """
    if find_spec(package) is None:
        raise MissingPackage(f"{package} is not installed: pip install 'phenostream[{extra}]'")
