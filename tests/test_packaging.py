"""The lists written by hand in pyproject.toml and constraints.txt agree with the tree."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_of_the_tree_is_in_the_wheel() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {
        "phenostream." + ".".join(init.parent.relative_to(ROOT).parts)
        for top in config["package-dir"].values()
        for init in (ROOT / top).rglob("__init__.py")
    }
    assert found == set(config["packages"])


def test_the_base_install_needs_neither_torch_nor_a_gpu_library() -> None:
    base = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[<>=!~\[ ]", line)[0].lower() for line in base}
    assert not names & {
        "torch",
        "tensorrt",
        "pycuda",
        "llama-cpp-python",
        "xllamacpp",
        "opencv-python",
    }


def test_constraints_pin_every_direct_dependency_by_name_and_version_only() -> None:
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    installed = ("dev", "trainer", "exports", "llm", "llm-prebuilt")
    wanted = project["dependencies"] + [line for extra in installed for line in extras[extra]]
    names = {re.split(r"[<>=!~\[ ]", line)[0].lower().replace("_", "-") for line in wanted}
    assert names <= pinned


def test_the_licence_travels_with_the_wheel() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license-files"]
    assert [path.name for pattern in patterns for path in ROOT.glob(pattern)] == ["LICENSE"]


def test_the_wheel_carries_the_pins_that_it_is_installed_by() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert "constraints.txt" in config["package-data"]["phenostream.deploy"]
    assert (ROOT / "deploy" / "constraints.txt").samefile(ROOT / "constraints.txt")
