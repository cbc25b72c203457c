"""An offline folder: made with every hash, refused when anything in it is not as it was made."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from phenostream.deploy.install.places import Places
from phenostream.deploy.install.python import Python
from phenostream.deploy.install.release import check_fits, offline
from phenostream.deploy.install.wheelhouse import (
    SUMS,
    Wheelhouse,
    make_wheelhouse,
    read_wheelhouse,
    wheel_at_hand,
)
from phenostream.deploy.install.wheels import read_wheel, wheel_name
from phenostream.engine.errors import BadConfig
from tests.deploy.install.toy_box import toy_wheel

PYTHON = Python(Path("/usr/bin/python3"), f"{sys.version_info.major}.{sys.version_info.minor}.9")


def gather(command: Sequence[str], on_line: Callable[[str], None] = lambda line: None) -> str:
    """Stands in for pip: our wheel and one more come into the folder."""
    folder = Path(command[command.index("--wheel-dir") + 1])
    source = Path(command[-1].partition("[")[0])
    (folder / source.name).write_bytes(source.read_bytes())
    (folder / "Other_Name-2.0-py3-none-any.whl").write_bytes(b"other")
    return ""


@pytest.fixture
def house(tmp_path: Path) -> Wheelhouse:
    """A folder with two wheels."""
    wheel = read_wheel(toy_wheel(tmp_path))
    return make_wheelhouse(tmp_path / "wheels", wheel, ["monitor"], gather, compiles=False)


def test_programs_are_given_the_whole_path_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given: list[str] = []

    def noted(command: Sequence[str], on_line: Callable[[str], None] = lambda line: None) -> str:
        given.append(command[command.index("--wheel-dir") + 1])
        return gather(command)

    wheel = read_wheel(toy_wheel(tmp_path))
    house = make_wheelhouse(Path("wheels"), wheel, [], noted, compiles=False)
    assert given == [str(tmp_path / "wheels")]
    assert house.folder == tmp_path / "wheels"


def test_a_folder_is_read_as_it_was_made(house: Wheelhouse) -> None:
    assert read_wheelhouse(house.folder) == house
    assert (house.about.version, house.about.extras) == ("1.0", ("monitor",))
    lines = house.requirements().splitlines()
    assert [line.split(" --hash=sha256:")[0] for line in lines] == [
        "other-name==2.0",
        "phenostream==1.0",
    ]


def _alter(folder: Path) -> None:
    (folder / "Other_Name-2.0-py3-none-any.whl").write_bytes(b"Other")


def _remove(folder: Path) -> None:
    (folder / "Other_Name-2.0-py3-none-any.whl").unlink()


def _add(folder: Path) -> None:
    (folder / "numpy-9.9-py3-none-any.whl").write_bytes(b"")


def _unlist(folder: Path) -> None:
    (folder / SUMS).unlink()


def _garble(folder: Path) -> None:
    (folder / SUMS).write_text("../../etc/passwd\n")


def _outside(folder: Path) -> None:
    (folder / SUMS).write_text(f"{'0' * 64}  ../secret\n")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_alter, "Other_Name-2.0-py3-none-any.whl: altered since the folder was made"),
        (_remove, "Other_Name-2.0-py3-none-any.whl: No such file"),
        (_add, "numpy-9.9-py3-none-any.whl: not in SHA256SUMS"),
        (_unlist, "not a folder of `phenostream bundle-wheels`"),
        (_garble, "allowed a SHA-256, two spaces and a name"),
        (_outside, "allowed a SHA-256, two spaces and a name"),
    ],
)
def test_a_folder_that_is_not_as_it_was_made_is_refused(
    spoil: Callable[[Path], None], told: str, house: Wheelhouse
) -> None:
    spoil(house.folder)
    with pytest.raises(BadConfig, match=told):
        read_wheelhouse(house.folder)


def test_a_checkout_is_built_away_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    (tree / "deploy" / "cli").mkdir(parents=True)
    (tree / "build" / "lib").mkdir(parents=True)
    (tree / "pyproject.toml").write_text('[tool.setuptools.package-dir]\n"p.deploy" = "deploy"\n')
    scratch.mkdir()
    monkeypatch.setattr("phenostream.deploy.install.wheelhouse.own_wheel", lambda: None)
    monkeypatch.setattr("phenostream.deploy.install.wheelhouse.own_checkout", lambda: tree)
    built: list[Path] = []

    def build(command: Sequence[str], on_line: Callable[[str], None] = lambda line: None) -> str:
        built.append(Path(command[-1]))
        toy_wheel(scratch)
        return ""

    assert wheel_at_hand(None, build, scratch).version == "1.0"
    assert built == [scratch / "tree"]
    assert sorted(path.name for path in built[0].iterdir()) == ["deploy", "pyproject.toml"]
    monkeypatch.setattr("phenostream.deploy.install.wheelhouse.own_checkout", lambda: None)
    with pytest.raises(BadConfig, match="--wheel: missing"):
        wheel_at_hand(None, build, scratch)


def test_a_folder_is_never_mixed_with_what_is_there(house: Wheelhouse) -> None:
    with pytest.raises(BadConfig, match="not empty, allowed a new folder"):
        make_wheelhouse(house.folder, house.wheel, [], gather, compiles=False)


def test_a_folder_for_another_python_is_refused_before_anything_is_made(
    house: Wheelhouse, tmp_path: Path
) -> None:
    software = offline(house, None)
    check_fits(software, PYTHON, Places(tmp_path))
    with pytest.raises(BadConfig, match=r"Python 3\.99\.1: allowed .*which the wheels in"):
        check_fits(software, Python(PYTHON.path, "3.99.1"), Places(tmp_path))


def test_a_folder_brings_the_extras_that_it_was_made_with(house: Wheelhouse) -> None:
    assert offline(house, ["monitor"]).extras == ("monitor",)
    with pytest.raises(BadConfig, match="--extras exports: allowed monitor"):
        offline(house, ["exports"])


def test_an_extra_that_the_wheel_does_not_know_is_refused(tmp_path: Path) -> None:
    wheel = read_wheel(toy_wheel(tmp_path))
    with pytest.raises(BadConfig, match="--extras 'gpus': allowed monitor, exports"):
        make_wheelhouse(tmp_path / "wheels", wheel, ["gpus"], gather, compiles=False)


def test_a_damaged_description_is_refused(house: Wheelhouse) -> None:
    about = house.folder / "wheels.json"
    about.write_text(json.dumps({"format": 1}))
    sums = house.folder / SUMS
    kept = [line for line in sums.read_text().splitlines() if not line.endswith("wheels.json")]
    from phenostream.deploy.install.wheels import file_sha256

    sums.write_text("\n".join([*kept, f"{file_sha256(about)}  wheels.json\n"]))
    with pytest.raises(BadConfig, match="does not say what the folder is for"):
        read_wheelhouse(house.folder)


def test_names_of_wheels() -> None:
    path = Path("opencv_python_headless-5.0.0.93-cp37-abi3-manylinux_2_28_x86_64.whl")
    assert wheel_name(path) == ("opencv-python-headless", "5.0.0.93")
    for name in ("a.whl", "a-1-py3-none-any.zip", "-1-py3-none-any.whl"):
        with pytest.raises(BadConfig, match="not the name of a wheel"):
            wheel_name(Path(name))


def test_a_wheel_of_something_else_or_none_at_all_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "numpy-2.0-py3-none-any.whl"
    other.write_bytes(b"")
    with pytest.raises(BadConfig, match="a wheel of numpy, allowed one of phenostream"):
        read_wheel(other)
    broken = tmp_path / "phenostream-1.0-py3-none-any.whl"
    broken.write_bytes(b"PK no")
    with pytest.raises(BadConfig, match="not a whole wheel"):
        read_wheel(broken)
    with pytest.raises(BadConfig, match="No such file"):
        read_wheel(tmp_path / "phenostream-9-py3-none-any.whl")
