"""`docs/logs-and-traces.md` says what the code does."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from phenostream.daemon.logs import FORMS, SUBJECTS
from phenostream.daemon.monitor.spans import ROOT, span_id, spans, trace_id
from tests.daemon.monitor.test_spans import RECEIVED_NS, RUN, record

PAGE = (Path(__file__).parents[3] / "docs" / "logs-and-traces.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    """The first word in backticks of each row of the table under a heading of the page's."""
    rows = PAGE.split(heading, 1)[1].split("\n\n", 1)[0].splitlines()
    return [re.findall("`([^`]+)`", row)[0] for row in rows if row.startswith("| `")]


def test_the_recipe_for_ids_gives_the_ids_of_the_spans() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    made: dict[str, Callable[[str, int], bytes]] = {}
    exec(code, made)  # noqa: S102 - the page's own
    for number in (0, 42, 2**64 - 2):
        assert made["trace_id"](RUN, number) == trace_id(RUN, number)
        assert made["parent_id"](RUN, number) == span_id(trace_id(RUN, number), ROOT)


def test_the_spans_are_those_of_the_code() -> None:
    assert first_cells("| span | from | to |") == [
        span.name for span in spans(record(), 0, RECEIVED_NS)
    ]


def test_the_fields_are_those_of_the_code() -> None:
    rows: Any = first_cells("| in journald | in JSON | what |")
    assert rows == [f"PHENOSTREAM_{name.upper()}" for name in SUBJECTS]
    assert first_cells("| `--log` | where the lines go |") == list(FORMS)
