"""The Containerfile, read as far as that goes without a container tool: what it says is there, nothing runs as root."""

import json
import re
from pathlib import Path

from phenostream.deploy.cli.main import COMMANDS
from phenostream.deploy.install.wheelhouse import SUMS

TEXT = (Path(__file__).parents[3] / "deploy" / "Containerfile").read_text()
KNOWN = (
    "FROM", "COPY", "RUN", "ENV", "USER", "WORKDIR", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD",
)  # fmt: skip


def instructions() -> list[tuple[str, str]]:
    """Word and arguments of each, lines that go on joined."""
    plain = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", plain)
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line]


def test_every_instruction_is_known_and_every_form_is_the_one_without_a_shell() -> None:
    for word, arguments in instructions():
        assert word in KNOWN
        if word in ("RUN", "VOLUME", "ENTRYPOINT", "CMD"):
            assert all(isinstance(one, str) for one in json.loads(arguments))


def test_images_are_of_one_version_and_what_runs_is_not_root() -> None:
    found = instructions()
    images = [arguments for word, arguments in found if word == "FROM"]
    assert all(re.fullmatch(r"\S+:3\.11-slim-bookworm( AS made)?", image) for image in images)
    last = [word for word, _ in found].index("ENTRYPOINT")
    assert ("USER", "phenostream") in found[:last]
    assert not any(word == "USER" for word, _ in found[last:])


def test_what_it_runs_is_a_command_of_ours_and_the_hashes_are_checked_first() -> None:
    found = instructions()
    (command,) = [json.loads(arguments) for word, arguments in found if word == "CMD"]
    assert command[0] in COMMANDS
    checks = [n for n, (_, arguments) in enumerate(found) if SUMS in arguments]
    pip = [n for n, (_, arguments) in enumerate(found) if "pip install" in arguments]
    assert checks[0] < pip[0]
    assert "--no-index" in found[pip[0]][1]
