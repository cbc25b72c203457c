"""A run counted again from its results says what its cells say, whichever way they are read."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from phenostream.daemon.client.records import Record
from phenostream.daemon.pipeline.records import flags_of
from phenostream.daemon.wire.results import FrameRecord
from phenostream.deploy.recount import recount
from phenostream.engine.errors import BadInput
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.facts import FrameAccount
from phenostream.engine.summary.reference import reference_of
from phenostream.engine.summary.window import WindowStatistics
from tests.deploy.toy_summaries import A, B, a_frame

OLD, NEW = "0d" * 32, "4e" * 32
LEDGER = dict.fromkeys(("received", "published", "dropped", "quarantined", "failed", "missing"), 6)
STARTED: dict[str, Any] = {"event": "run_started", "run": A}
ENDED: dict[str, Any] = {"event": "run_ended", "run": A, "ledger": LEDGER}
OLD_FRAMES = [a_frame(n, A, n, sha256=OLD) for n in range(2)]
NEW_FRAMES = [a_frame(n, A, n, sha256=NEW) for n in range(2, 6)]
OTHER_RUN = a_frame(9, B, 0, sha256=OLD)
BODIES: list[FrameRecord | dict[str, Any]] = [
    STARTED, OTHER_RUN, *OLD_FRAMES, *NEW_FRAMES, OTHER_RUN, ENDED,
]  # fmt: skip


class Told:
    """These records, cut into stretches at these places and given out newest first."""

    def __init__(self, bodies: Sequence[FrameRecord | dict[str, Any]], *cuts: int) -> None:
        topics = ["result" if isinstance(body, FrameRecord) else "status" for body in bodies]
        self._records = [
            Record(topic, n, body)
            for n, (topic, body) in enumerate(zip(topics, bodies, strict=True))
        ]
        self._ends = [0, *cuts, len(bodies)]

    def stretches(self, *topics: str) -> Iterator[Iterator[Record]]:
        assert topics == ("result", "status")
        for begin, end in reversed(list(zip(self._ends, self._ends[1:], strict=False))):
            yield iter(self._records[begin:end])

    def lacks(self) -> list[str]:
        return []


def counted(frames: Sequence[FrameRecord]) -> WindowStatistics:
    statistics = WindowStatistics(SummaryContext.of_result(frames[0].meta))
    for frame in frames:
        columns = {name: column.values for name, column in frame.columns.items()}
        statistics.add(columns, flags_of(frame.meta["flags"]))
    return statistics


@pytest.mark.parametrize("cuts", [(), (4,), (1, 3, 5), (7, 8)])
def test_the_facts_are_those_of_the_newest_models_cells_and_the_others_are_told(
    cuts: tuple[int, ...],
) -> None:
    found = recount(Told(BODIES, *cuts), A).facts()
    assert found == replace(
        counted(NEW_FRAMES).facts(),
        account=FrameAccount(6, 6, 6, 6, 6, 6),
        by_other_models=2,
        scope="run",
        run=A,
        instrument="scope-1",
        model_sha256=NEW,
    )


@pytest.mark.parametrize("bodies", [BODIES[:5], [*BODIES[:4], *BODIES[5:]], BODIES[3:]])
def test_a_run_that_goes_on_or_is_not_all_held_is_a_part_without_an_account(
    bodies: list[FrameRecord | dict[str, Any]],
) -> None:
    facts = recount(Told(bodies), A).facts()
    assert (facts.scope, facts.account) == ("part", None)


@pytest.mark.parametrize(
    ("bodies", "said"),
    [
        (BODIES, None),
        (BODIES[:5], None),
        (BODIES[3:5], "its beginning is not held any more"),
        ([*BODIES[:4], *BODIES[5:]], "1 of 6 published frames are not held"),
    ],
)
def test_frames_that_are_gone_are_told(
    bodies: list[FrameRecord | dict[str, Any]], said: str | None
) -> None:
    assert recount(Told(bodies), A).lacking == said


def test_nothing_before_the_runs_beginning_is_read() -> None:
    class Far(Told):
        def stretches(self, *topics: str) -> Iterator[Iterator[Record]]:
            yield from super().stretches(*topics)
            raise AssertionError("read on")

    assert recount(Far(BODIES), A).begun


def test_a_reference_is_kept_whole_and_compared_with() -> None:
    run = recount(Told(BODIES), A)
    kept = reference_of(run.reference("monday").as_text())
    assert kept.name == "monday"
    (comparison,) = run.facts(kept).comparisons
    assert comparison.against == "reference"
    assert comparison.obstacle is None
    assert not comparison.changed


@pytest.mark.parametrize("name", ["", "m" * 65])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="allowed a name of 1 to 64"):
        recount(Told(BODIES), A).reference(name)


def without(frame: FrameRecord, *path: str) -> FrameRecord:
    meta = dict(frame.meta)
    if path[0] == "model":
        meta["model"] = {key: value for key, value in meta["model"].items() if key != path[1]}
    columns = {key: value for key, value in frame.columns.items() if key != path[-1]}
    return FrameRecord(meta, columns)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([OTHER_RUN], f"run {A}: no published frame of it is held"),
        (
            [without(NEW_FRAMES[0], "model", "marker_transform")],
            "offset 0: .*: of an earlier version",
        ),
        ([without(NEW_FRAMES[0], "model", "sha256")], "offset 0: not a result to count: .*sha256"),
        ([without(NEW_FRAMES[0], "status")], "offset 0: not a result to count: .*status"),
        ([STARTED, {"event": "run_ended", "run": A}], "offset 1: not a result to count: .*ledger"),
    ],
)
def test_results_that_are_none_are_one_line(
    records: list[FrameRecord | dict[str, Any]], said: str
) -> None:
    with pytest.raises(BadInput, match=said) as raised:
        recount(Told(records), A)
    assert "\n" not in str(raised.value)
