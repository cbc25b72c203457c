"""Summary records of populations that nobody saw, as a daemon would have them in its journal."""

from pathlib import Path
from typing import Any

from phenostream.daemon.journal.log import Journal
from phenostream.daemon.wire.codec import pack
from tests.engine.summary.populations import population

A, B = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b3020abcdef0"


def a_summary(seed: int, scope: str, run: str, **changes: Any) -> dict[str, Any]:
    """The body of one record, of the population of this seed."""
    facts = population(seed).as_dict()
    return {
        "v": 1,
        "type": "summary",
        "scope": scope,
        "run": run,
        "instrument": "scope-1",
        "synthetic": facts["synthetic"],
        "text": f"words of {seed}",
        "of_offset": None,
        "source": "template",
        "facts": facts | {"scope": scope, "run": run},
    } | changes


def a_journal(directory: Path, bodies: list[dict[str, Any]]) -> Path:
    """A journal of these summaries."""
    journal = Journal(directory)
    journal.append([("summary", pack(body)) for body in bodies])
    journal.sync()
    journal.close()
    return directory
