"""Keys are set where they are explained, and everything else stays as it was."""

import tomllib

import pytest

from phenostream.deploy.install.carried import our_own
from phenostream.deploy.install.settings import has_key, with_settings
from phenostream.engine.errors import BadConfig

TEXT = """\
# top
format = 1

[a]  # first
# key = "x"                                    # what it is
other = "ipc:///tmp/#1"                        # no default

[b]
# key = 5
"""


def test_a_key_is_set_in_its_own_section_and_keeps_what_is_said_about_it() -> None:
    text = with_settings(TEXT, {("a", "key"): 'q"', ("b", "key"): False, ("a", "other"): "new"})
    assert tomllib.loads(text) == {
        "format": 1,
        "a": {"key": 'q"', "other": "new"},
        "b": {"key": False},
    }
    assert "# what it is" in text
    assert text.count("\n") == TEXT.count("\n")


def test_a_key_that_nobody_explains_is_refused() -> None:
    with pytest.raises(BadConfig, match=r"b\.other: not in the configuration"):
        with_settings(TEXT, {("b", "other"): 1})
    assert not has_key(TEXT, "b", "other")
    assert has_key(TEXT, "b", "key")


def test_every_key_of_our_example_can_be_set() -> None:
    text = our_own().example
    section = ""
    for line in text.split("# [[sources]]")[0].splitlines():
        if line.startswith("["):
            section = line[1 : line.index("]")]
        elif section and line.removeprefix("# ")[:1].isalpha() and " = " in line:
            key = line.removeprefix("# ").split(" = ")[0]
            if key.isidentifier():
                found = tomllib.loads(with_settings(text, {(section, key): 77}))
                assert found[section][key] == 77
