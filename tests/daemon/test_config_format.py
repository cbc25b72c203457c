"""A configuration says its format: a newer one is refused, an older one is read through the steps of a table."""

import tomllib
from pathlib import Path

import pytest

from phenostream.daemon.config import load_config
from phenostream.daemon.config_format import FORMAT, STEPS, Step, migrated, read_formatted
from phenostream.engine.errors import BadConfig

OLD = '# of our site\n\n[journal]\ndirectory = "j"  # on the big disk\n[model]\nbundle = "demo"\n'


def test_a_file_of_today_is_read_as_it_is() -> None:
    text = f"# ours\nformat = {FORMAT}\n[journal]\n"
    found = migrated(text, "f")
    assert (found.text, found.values, found.was, found.steps) == (text, {"journal": {}}, FORMAT, ())


def test_a_file_that_says_no_format_is_read_through_every_step(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(OLD)
    found = read_formatted(path)
    assert (found.was, found.steps) == (0, STEPS)
    assert found.text == OLD.replace("# of our site\n", f"# of our site\nformat = {FORMAT}\n")
    assert load_config(path).journal.directory == tmp_path / "j"


@pytest.mark.parametrize("text", ["", "# only a comment", "[journal]\n", "\n[journal]", OLD])
def test_what_was_rewritten_is_of_todays_format_and_stays_so(text: str) -> None:
    once = migrated(text, "f")
    assert tomllib.loads(once.text)["format"] == FORMAT
    again = migrated(once.text, "f")
    assert (again.text, again.values, again.steps) == (once.text, once.values, ())


def test_steps_are_taken_one_after_another_from_the_format_that_the_file_has() -> None:
    rename = Step("directory is called folder", lambda text: text.replace("directory", "folder"))
    move = Step("journal is called log", lambda text: text.replace("[journal]", "[log]"))
    table = (*STEPS, rename, move)
    found = migrated(OLD, "f", table)
    assert found.values["log"] == {"folder": "j"}
    assert found.text.startswith("# of our site\nformat = 3\n")
    assert "# on the big disk" in found.text
    last = migrated('format=2 # ours\n[journal]\nfolder = "j"\n', "f", table)
    assert last.text == 'format = 3 # ours\n[log]\nfolder = "j"\n'
    assert last.steps == (move,)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (str(FORMAT + 1), f"allowed 0 to {FORMAT}; it was written for a newer phenostream"),
        ("-1", "allowed a whole number"),
        ("true", "format: True: allowed a whole number"),
        ('"1"', "format: '1': allowed a whole number"),
        ("1.0", "allowed a whole number"),
    ],
)
def test_a_format_that_is_not_known_is_refused_in_one_line(
    said: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"format = {said}\n{OLD}")
    with pytest.raises(BadConfig, match="format: ") as refused:
        load_config(path)
    assert told in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_a_format_inside_a_table_is_an_unknown_key_of_that_table(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(OLD + "format = 1\n")
    with pytest.raises(BadConfig, match=r"model\.format: unknown key"):
        load_config(path)
