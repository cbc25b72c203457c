"""Scripts of fake language models, in a test's own folder."""

import json
from pathlib import Path
from typing import Any

from phenostream.daemon.summariser.link import WorkerSetup

GRAMMAR = 'root ::= "12 cells" choice " classified."\nchoice ::= " were" | " are"\n'
TEXTS = ("12 cells were classified.", "12 cells are classified.")
MESSAGES = [{"role": "user", "content": "Write a summary."}]


def fake_setup(folder: Path, *, memory_bytes: int = 1 << 30, **script: Any) -> WorkerSetup:
    """How to start a worker with a fake of that script; on a box that is busy, so not behind all others."""
    path = folder / "toy.fake.json"
    path.write_text(json.dumps(script))
    return WorkerSetup(path, memory_bytes=memory_bytes, idle=False)
