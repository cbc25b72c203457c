"""`docs/wire.md` says what the code does: its tables of keys, topics, limits, columns and ledger entries."""

import dataclasses
import re
from collections.abc import Callable
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from phenostream.daemon.control import MOST_RECORDS
from phenostream.daemon.ledger import CELL_COUNTS, FATES, INCIDENTS, Ledger
from phenostream.daemon.meters import Meters
from phenostream.daemon.model import ServedModel
from phenostream.daemon.narration import MOST_KEPT, MOST_TRIES, Narration
from phenostream.daemon.open_runs import COUNTS, MOST_TOLD
from phenostream.daemon.pipeline.entries import (
    Arrival,
    ModelChanged,
    Passage,
    Prepared,
    RunEnded,
    RunStarted,
)
from phenostream.daemon.pipeline.records import (
    Wording,
    end_frame,
    model_changed,
    run_ended,
    run_started,
    summary,
)
from phenostream.daemon.sources.peers import Peers
from phenostream.daemon.summary_config import SummaryConfig
from phenostream.daemon.swap.comparison import Comparison
from phenostream.daemon.swap.state import State, Swap, SwapSettings
from phenostream.daemon.wire import ingest
from phenostream.daemon.wire.codec import (
    MAX_HEADER_BYTES,
    MAX_RESULT_BYTES,
    MOST_VALUES,
    unpack_result,
)
from phenostream.daemon.wire.control import (
    MOST_BYTES,
    MOST_TEXT_BYTES,
    ModelLoad,
    Request,
    Summariser,
    SummaryText,
)
from phenostream.daemon.wire.encoding import MOST_BLOCK_BYTES
from phenostream.daemon.wire.results import TOPICS, WELCOME_TOPIC, decode_frame
from phenostream.engine.bundle import load_bundle
from phenostream.engine.postprocess import FieldOfView, frame_columns
from phenostream.engine.summary import changes, drifted, facts
from phenostream.engine.types import Detections

DOCS = Path(__file__).parents[2] / "docs"
DEMO = DOCS.parent / "deploy" / "demo_bundle"
PAGE = (DOCS / "wire.md").read_text(encoding="utf-8")

MESSAGES: dict[str, type[BaseModel]] = {
    "HELLO": ingest.Hello,
    "WELCOME": ingest.Welcome,
    "START": ingest.Start,
    "STARTED": ingest.Started,
    "FRAME": ingest.FrameHeader,
    "SHOT": ingest.ShotHeader,
    "ACK": ingest.Ack,
    "END": ingest.End,
    "REPORT": ingest.Report,
    "REFUSED": ingest.Refused,
}


def table(heading: str) -> list[str]:
    """The rows of the first table under a heading, without its own head."""
    section = re.split(r"\n#+ ", PAGE.split(f"\n{heading}\n", 1)[1])[0]
    lines = dropwhile(lambda line: not line.startswith("|"), section.splitlines())
    return list(takewhile(lambda line: line.startswith("|"), lines))[2:]


def first_cells(heading: str) -> list[list[str]]:
    """The words in backticks of each row's first cell."""
    return [re.findall(r"`([^`]+)`", row.split(" | ")[0]) for row in table(heading)]


def words(heading: str) -> list[str]:
    return [word for row in first_cells(heading) for word in row]


@pytest.mark.parametrize("name", MESSAGES)
def test_the_keys_of_a_message_are_those_of_its_schema_in_order(name: str) -> None:
    assert words(f"### {name}") == list(MESSAGES[name].model_fields)


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("A summary's facts", facts.Facts),
        ("A class of the facts", facts.ClassFacts),
        ("A marker of the facts", facts.MarkerFacts),
        ("A comparison of the facts", changes.Comparison),
        ("A change of a share", changes.ShareChange),
        ("A change of a marker", changes.MarkerChange),
        ("Drift of the facts", drifted.DriftFacts),
    ],
)
def test_the_keys_of_facts_are_those_that_are_sent_in_order(heading: str, kind: type[Any]) -> None:
    told = [row[0] for row in first_cells(f"#### {heading}")]
    assert told == [field.name for field in dataclasses.fields(kind)]


def test_every_message_of_the_schema_has_its_table() -> None:
    classes = {
        value
        for value in vars(ingest).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and "type" in value.model_fields
    }
    assert classes == set(MESSAGES.values())


@pytest.mark.parametrize("name", ["HELLO", "START", "FRAME", "SHOT", "END"])
def test_what_a_source_may_leave_out_is_what_the_page_says(name: str) -> None:
    optional = {
        key
        for key, field in MESSAGES[name].model_fields.items()
        if not field.is_required() and key not in ("v", "type")
    }
    with_default = {"orientation", "encoding", "location"}
    rows = [row.strip("| ").split(" | ") for row in table(f"### {name}")]
    may_be_nil = {key for key, kind, *_ in rows if kind.endswith("nil") or kind == "likewise"}
    documented = {key.strip("`") for key in may_be_nil}
    assert optional == documented | (with_default & set(MESSAGES[name].model_fields))
    for key in with_default & set(MESSAGES[name].model_fields):
        first = next(re.findall("`([^`]+)`", row[1])[0] for row in rows if row[0] == f"`{key}`")
        assert MESSAGES[name].model_fields[key].default == first


def test_every_link_within_the_page_leads_to_a_heading() -> None:
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {
        re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors


def test_the_faults_are_those_that_the_daemon_can_have() -> None:
    named: set[str] = set()
    for path in (DOCS.parent / "daemon").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if "health.degrade" in source:
            named |= set(re.findall(r'^_?[A-Z]+: Final = "([a-z_]+)"', source, re.MULTILINE))
            named |= set(re.findall(r'health\.degrade\("([a-z_]+)"', source))
    assert set(words("### Faults")) == named


def test_the_topics_are_those_of_the_code() -> None:
    assert words("### What is published") == [*TOPICS, WELCOME_TOPIC.decode()]


def test_the_limits_are_those_of_the_code() -> None:
    assert f"| header | {MAX_HEADER_BYTES} bytes" in PAGE
    assert f"| result payload | {MAX_RESULT_BYTES} bytes, with {MOST_VALUES} values" in PAGE
    assert f"`max_bytes` (1 to {MOST_BYTES}," in PAGE
    assert f"at most {MOST_RECORDS} and about" in PAGE
    assert f"up to {MOST_BLOCK_BYTES} bytes |" in PAGE


def test_the_encodings_are_those_of_the_code() -> None:
    told = next(row for row in table("### FRAME") if row.startswith("| `encoding` |"))
    assert re.findall("`([^`]+)`", told.split(" | ")[1]) == list(get_args(ingest.Encoding))


def test_the_ledgers_keys_are_those_of_the_code(a_passage: Passage) -> None:
    ledger = Ledger()
    start = a_passage.arrival.start
    ledger.open(start.run, 3)
    ledger.go_on()
    documented = set(words("### The ledger")) - {"FATE.CODE"}
    assert documented == set(ledger.run(start.run))
    assert {*FATES, *INCIDENTS, *(f"cells_{name}" for name in CELL_COUNTS)} < documented


def test_the_meters_keys_are_those_that_are_told() -> None:
    told = {**Meters().told(), "arrivals": Ledger().came(), "credit": Peers(1).told()}
    assert words("### The meters of a status") == list(told)
    for row, value in zip(table("### The meters of a status"), told.values(), strict=True):
        assert all(f"`{key}`" in row for key in value)
    histogram = PAGE.split("A histogram is a map of ")[1].split(":")[0]
    assert re.findall("`([^`]+)`", histogram) == list(told["commit"]["fdatasync"])


@pytest.fixture
def model(make_model: Callable[[], ServedModel]) -> ServedModel:
    return make_model()


@pytest.fixture
def a_passage(make_start: Callable[[], ingest.Start]) -> Passage:
    return Passage(Arrival(make_start(), 0, 1, 0.0), failure=("failed", "code: text"))


def test_a_results_keys_are_those_that_are_sent(a_passage: Passage, model: ServedModel) -> None:
    payload = end_frame(a_passage, model, 1.0).payload
    documented = [row[0] for row in first_cells("### A result's keys")]
    assert documented == list(unpack_result(payload))
    assert decode_frame(payload).columns == {}


def test_a_results_flags_are_those_that_are_sent(
    make_start: Callable[[], ingest.Start], model: ServedModel
) -> None:
    none, no = np.empty(0, np.float32), np.empty(0, np.bool_)
    prepared = Prepared(Detections(none, none, none, none, no), no, 1.0, None, 0.0, 0.0)
    payload = end_frame(Passage(Arrival(make_start(), 0, 1, 0.0), prepared), model, 1.0).payload
    flags = unpack_result(payload)["flags"]
    assert [row[0] for row in first_cells("### A result's flags")] == list(flags)
    assert flags["four_shot_residual"] is None


def test_a_models_keys_are_those_that_are_sent(model: ServedModel) -> None:
    assert [row[0] for row in first_cells("### A result's model")] == list(model.describe())


def test_the_columns_are_those_that_are_sent() -> None:
    manifest = load_bundle(DEMO).manifest  # of a model that gives all there are
    one = np.ones(1, np.float32)
    detections = Detections(one, one, one, one, np.ones(1, np.bool_))
    view = FieldOfView(1.0, 0.686, (128, 128), (0.0, 0.0))
    columns = frame_columns(detections, np.zeros(1, np.bool_), None, view, manifest)
    assert words("### Columns") == list(columns)
    rows = table("### Columns")
    for (name, column), row in zip(columns.items(), rows, strict=True):
        shape = ", ".join(["N", *(str(n) for n in column.array.shape[1:])])
        kind = column.array.dtype.str.lstrip("<|")
        assert row.startswith(f"| `{name}` | {kind} ({shape}) |")


def test_status_and_summary_have_the_documented_keys(a_passage: Passage) -> None:
    start = a_passage.arrival.start
    status, told = table("### Status and summary")
    told_of = {"model_synthetic": True}
    for payload in (
        run_started(RunStarted(start), **told_of),
        run_ended(RunEnded(start), {}, **told_of),
    ):
        assert all(f"`{key}`" in status for key in unpack_result(payload))
    written = unpack_result(summary(start, "run", Wording("text"), told_of))
    assert all(f"`{key}`" in told for key in written)
    of_words = [field.name for field in dataclasses.fields(Wording)]
    assert words("#### A summary and its words") == of_words
    assert [key for key in written if key in of_words] == of_words


def test_what_a_summariser_says_has_the_documented_keys() -> None:
    assert words("### What a summariser says") == [
        key for key in SummaryText.model_fields if key not in ("v", "id", "type")
    ]
    assert f"1 to {MOST_TEXT_BYTES} bytes" in PAGE
    assert f"of the newest {MOST_KEPT} of the template" in PAGE
    assert f"judged {MOST_TRIES} times at most" in PAGE
    told = PAGE.split("\n### What a summariser says\n")[1].split("\n### ")[0]
    status = Narration(SummaryConfig(), lambda entry: True).told()
    for key in (*Summariser.model_fields, *status):
        assert key in ("v", "id", "type") or f"`{key}`" in told


def test_a_change_of_the_model_has_the_documented_keys(model: ServedModel) -> None:
    told = PAGE.split("\n#### Another model\n")[1].split("\n## ")[0]
    payload = model_changed(ModelChanged(model, model, "better", {}), source_synthetic=False)
    assert all(f"`{key}`" in told for key in unpack_result(payload))


def test_the_requests_are_those_of_the_code() -> None:
    named = {word for row in table("## Control")[:-1] for word in re.findall("`([^`]+)`", row)[:1]}
    assert named == {
        get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(Request)
    }
    assert f"At most {MOST_TOLD} runs" in PAGE


def test_the_keys_of_a_load_are_those_of_its_schema_with_their_defaults() -> None:
    rows = [row.strip("| ").split(" | ") for row in table("### What is asked of a model")]
    told = {row[0].strip("`"): row[2] for row in rows}
    fields = {name: field.default for name, field in ModelLoad.model_fields.items()}
    for name in ("v", "id", "type"):
        del fields[name]
    assert (told.pop("bundle"), fields.pop("bundle")) == ("none", PydanticUndefined)
    assert told == {
        name: str(default).lower() if isinstance(default, bool) else f"{default:g}"
        for name, default in fields.items()
    }


def test_a_swaps_keys_are_those_that_are_sent() -> None:
    told = Swap(1, "comparing", SwapSettings(Path("/b"))).told(0.0)
    assert words("### A swap's keys") == list(told)
    rows = {row.split("`")[1]: row for row in table("### A swap's keys")}
    assert set(re.findall("`([a-z_]+)`", rows["state"])[1:]) == set(get_args(State))
    for key in ("asked", "progress"):
        assert set(re.findall("`([a-z_]+)`", rows[key])[1:]) == set(told[key])


def test_a_reports_keys_are_those_that_are_sent(model: ServedModel) -> None:
    told = Comparison(model.manifest, model.manifest).told()
    at_the_end = ["passed_over", "cell_ms", "slowdown"]
    assert words("### A swap's report") == [*told, *at_the_end]
    run = (DOCS.parent / "daemon" / "swap" / "run.py").read_text(encoding="utf-8")
    assert all(f'"{key}": ' in run for key in at_the_end)
    (row,) = (row for row in table("### A swap's report") if row.startswith("| `markers`"))
    assert all(f"`{key}`" in row for key in told["markers"][0])


def test_a_marks_keys_and_its_counts_are_those_that_are_sent() -> None:
    told = PAGE.split("**Losing the tail.**")[1].split("**Being")[0].split("\n###")[0]
    assert all(f"`{key}`" in told for key in ("newest", "next", "oldest", "runs", "utc_ns"))
    assert all(f"`{key}`" in told for key in ("first_offset", *COUNTS))


def test_the_refusal_codes_are_those_the_desk_uses() -> None:
    sources = Path(__file__).parents[2] / "daemon" / "sources"
    text = "".join((sources / name).read_text() for name in ("desk.py", "reception.py"))
    used = set(re.findall(r"""f?"(hello first|[a-z]+): [^"]*""", text))
    table_of_codes = PAGE.split("| code | what to do |")[1].split("\n\n")[0]
    documented = {
        code
        for row in table_of_codes.splitlines()
        for code in re.findall(r"`([^`]+)`", row.split(" | ")[0])
    }
    assert documented == used - {"header"}


def test_the_reasons_codes_are_those_of_the_code() -> None:
    daemon = Path(__file__).parents[2] / "daemon"
    named = {
        "sources/frame_check.py": r'return f"([a-z0-9]+): ',
        "wire/encoding.py": r'return f?"([a-z0-9]+): ',
        "sources/reception.py": r'f"(header): ',
        "sources/shot_reception.py": r'f"(incomplete|header): ',
        "pipeline/preparation.py": r'f"([a-z]+): ',
        "pipeline/inference.py": r'reason = f"([a-z]+): ',
        "recordings/recording_desk.py": r'"(recorded): ',
    }
    used = {
        code
        for name, pattern in named.items()
        for code in re.findall(pattern, (daemon / name).read_text(encoding="utf-8"))
    }
    rows = PAGE.split("| fate | code | reason |")[1].split("\n\n")[0].splitlines()
    documented = {
        code for row in rows[2:] for code in re.findall("`([a-z0-9]+)`", row.split(" | ")[1])
    }
    assert documented == used
