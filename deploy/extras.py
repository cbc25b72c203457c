"""The extras of pyproject.toml, by the packages that need them: a missing one is one clear line, not a traceback."""

from importlib.util import find_spec

from phenostream.engine.errors import MissingPackage


def need(package: str, extra: str) -> None:
    """Check that an optional package is installed, without importing it.

    Raises:
        MissingPackage: It is not; the text names the extra that brings it.
    """
    try:
        found = find_spec(package) is not None
    except ModuleNotFoundError:  # of a package with dots, one that it is in
        found = False
    if not found:
        raise MissingPackage(f"{package} is not installed: pip install 'phenostream[{extra}]'")
