"""How commands are found in a page."""

from pathlib import Path

from tests.system.service.pages import Command, commands


def test_commands_of_console_blocks_are_found_in_order_with_what_they_must_end_with(
    tmp_path: Path,
) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n```console\n$ one --two\nwhat it prints\n$ long \\\n    line\n```\n"
        "```text\n$ not run\n```\n"
        "```console\n$ refused  # exit code 2\n$ endless # Ctrl-C\n```\n"
    )
    assert commands(page) == [
        Command("one --two", 0),
        Command("long \\\n    line", 0),
        Command("refused  # exit code 2", 2),
        Command("endless # Ctrl-C", None),
    ]
