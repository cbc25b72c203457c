"""A package that is missing is one line that names the extra, also where what it is in is missing."""

import pytest

from phenostream.deploy.extras import need
from phenostream.engine.errors import MissingPackage


@pytest.mark.parametrize("package", ["no_such_package", "no_such.part", "json.no_such.part"])
def test_what_is_missing_names_its_extra(package: str) -> None:
    with pytest.raises(MissingPackage, match=r"is not installed: pip install 'phenostream\[toy\]'"):
        need(package, "toy")


def test_what_is_there_is_fine() -> None:
    need("json.decoder", "toy")
