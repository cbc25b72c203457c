"""Which texts the daemon publishes as other words for a summary, and which it refuses."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from phenostream.daemon.journal.record import Record
from phenostream.daemon.narration import MOST_KEPT, MOST_TRIES, Narration, Remembered
from phenostream.daemon.pipeline.entries import SummaryWorded
from phenostream.daemon.pipeline.records import Wording, summary, worded
from phenostream.daemon.summary_config import SummaryConfig
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.control import (
    MOST_TEXT_BYTES,
    LanguageModelName,
    Summariser,
    SummaryText,
)
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.errors import BadInput
from phenostream.engine.summary.template import write_summary
from phenostream.engine.summary.wording import STYLES, Style, plan_of
from tests.engine.summary.populations import population

LLM = LanguageModelName(name="smollm2", sha256="0" * 64, binding="fake")
FACTS = population(7)
TRUE = write_summary(FACTS)


@pytest.fixture
def entered() -> list[SummaryWorded]:
    return []


@pytest.fixture
def narration(entered: list[SummaryWorded]) -> Narration:
    def enter(entry: SummaryWorded) -> bool:
        entered.append(entry)
        return True

    return Narration(SummaryConfig(llm="smollm2"), enter)


@pytest.fixture
def template(make_start: Callable[..., Start]) -> bytes:
    plain = {**FACTS.as_dict(), "model_sha256": "beef", "duration_s": 9.5}
    return summary(make_start(), "window", Wording(TRUE), plain)


def text(of_offset: int, said: str = TRUE, **more: Any) -> SummaryText:
    plain = {"style": "bedside", "language": "en", "source": "llm-grammar", "seconds": 2.25, **more}
    return SummaryText(
        v=1, id=1, type="summary_text", of_offset=of_offset, text=said, **({"llm": LLM} | plain)
    )


def test_a_true_text_becomes_a_record_of_the_same_facts(
    narration: Narration, template: bytes, entered: list[SummaryWorded]
) -> None:
    narration.written([Record(6, "status", b"x"), Record(7, "summary", template)])
    narration.take(text(7))
    before, after = unpack_result(template), unpack_result(entered[0].payload)
    assert list(before) == list(after)
    assert after == before | {
        "source": "llm-grammar",
        "of_offset": 7,
        "llm": LLM.model_dump(),
        "seconds": 2.25,
    }
    told = narration.told()
    assert (told["worded"], told["refused"], told["last_seconds"]) == (1, 0, 2.25)


def test_what_cannot_be_known_is_refused_and_counted(narration: Narration, template: bytes) -> None:
    with pytest.raises(BadInput, match=r"of_offset 7: allowed one of the newest 64.*\(none yet\)"):
        narration.take(text(7))
    narration.written([Record(7, "summary", template), Record(8, "summary", b"\xc1")])
    with pytest.raises(BadInput, match=r"of_offset 8: allowed one of the newest 64.*\(7 to 7\)"):
        narration.take(text(8))
    told = narration.told()
    assert (told["worded"], told["refused"]) == (0, 2)
    assert "of_offset 8" in told["last_refusal"]


def test_a_summary_is_worded_once(
    narration: Narration, template: bytes, entered: list[SummaryWorded]
) -> None:
    narration.written([Record(7, "summary", template)])
    narration.take(text(7))
    with pytest.raises(BadInput, match="of_offset 7: worded already"):
        narration.take(text(7))
    narration.written([Record(9, "summary", entered[0].payload)])
    with pytest.raises(BadInput, match="of_offset 9: allowed one of"):
        narration.take(text(9))  # what was worded is not worded again
    assert len(entered) == 1


def test_an_earlier_process_words_are_known_again(narration: Narration, template: bytes) -> None:
    other = worded(unpack_result(template), Wording("other words", of_offset=7, source="llm-free"))
    narration.written([Record(7, "summary", template), Record(8, "summary", template)])
    narration.written([Record(9, "summary", other)])
    with pytest.raises(BadInput, match="worded already"):
        narration.take(text(7))
    narration.take(text(8))


def test_what_an_earlier_process_wrote_is_read_again_when_words_for_it_come(
    template: bytes, entered: list[SummaryWorded]
) -> None:
    held = [Record(7, "summary", template), Record(8, "status", b"x")]
    known = Remembered((5, 7, 8), (5,))

    def enter(entry: SummaryWorded) -> bool:
        entered.append(entry)
        return True

    def read(since: int) -> Iterator[Record]:
        return (record for record in held if record.offset >= since)

    narration = Narration(SummaryConfig(llm="smollm2"), enter, read)
    narration.restore(known, [Record(11, "summary", template)])
    with pytest.raises(BadInput, match="of_offset 5: worded already"):
        narration.take(text(5))
    with pytest.raises(BadInput, match=r"of_offset 6: allowed one of .*\(5 to 11\)"):
        narration.take(text(6))
    with pytest.raises(BadInput, match="of_offset 8: the journal holds it no more"):
        narration.take(text(8))
    with pytest.raises(BadInput, match="not one that the plan"):
        narration.take(text(7, "4,000 cells."))
    narration.take(text(7))
    narration.take(text(11))
    assert narration.remembered() == Remembered((5, 7, 8, 11), (5,))  # not on disk yet
    narration.written([Record(12, "summary", entered[0].payload)])
    assert narration.remembered() == Remembered((5, 7, 8, 11), (5, 7))


def test_a_journal_that_cannot_be_read_now_may_be_asked_again(template: bytes) -> None:
    answers: list[Any] = [OSError(24, "Too many open files"), [Record(7, "summary", template)]]

    def read(since: int) -> Iterator[Record]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        yield from answer

    narration = Narration(SummaryConfig(llm="smollm2"), lambda entry: True, read)
    narration.restore(Remembered((7,)), [])
    with pytest.raises(BadInput, match="of_offset 7: journal: Too many open files, ask again"):
        narration.take(text(7))
    narration.take(text(7))


def test_only_the_newest_are_kept(narration: Narration, template: bytes) -> None:
    narration.written([Record(2 * n, "summary", template) for n in range(MOST_KEPT + 1)])
    with pytest.raises(BadInput, match=r"of_offset 0: .*\(2 to 128\)"):
        narration.take(text(0))
    narration.take(text(2))


def test_a_text_that_cannot_be_entered_may_come_again(template: bytes) -> None:
    room: list[bool] = [False, True]
    narration = Narration(SummaryConfig(llm="smollm2"), lambda entry: room.pop(0))
    narration.written([Record(7, "summary", template)])
    with pytest.raises(BadInput, match="the template's words stay"):
        narration.take(text(7))
    narration.take(text(7))


@pytest.mark.parametrize(
    ("mode", "source"),
    [("template", "llm-grammar"), ("template", "llm-free"), ("grammar", "llm-free")],
)
def test_what_a_site_did_not_allow_is_refused(template: bytes, mode: Any, source: str) -> None:
    narration = Narration(SummaryConfig(llm="smollm2", mode=mode), lambda entry: True)
    narration.written([Record(7, "summary", template)])
    with pytest.raises(BadInput, match=f"'{source}': not allowed with summary.mode = '{mode}'"):
        narration.take(text(7, source=source))


@pytest.mark.parametrize(
    "lie",
    [
        TRUE[:-1],
        TRUE + " ",
        TRUE.replace(str(FACTS.classified), str(FACTS.classified + 1)),
        write_summary(population(8)),
        "4,000 cells.",
        "\x1b[2J",
    ],
)
def test_a_lie_is_refused(
    narration: Narration, template: bytes, entered: list[SummaryWorded], lie: str
) -> None:
    assert lie != TRUE
    narration.written([Record(7, "summary", template)])
    with pytest.raises(BadInput, match="not one that the plan"):
        narration.take(text(7, lie))
    assert not entered
    narration.take(text(7))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("style", STYLES)
def test_the_last_words_of_every_slot_are_taken_too(
    narration: Narration, make_start: Callable[..., Start], seed: int, style: Style
) -> None:
    facts = population(seed)
    record = summary(make_start(), "run", Wording(write_summary(facts)), facts.as_dict())
    narration.written([Record(1, "summary", record)])
    last = "".join(slot.alternatives[-1] for slot in plan_of(facts, style))
    narration.take(text(1, last, style=style))
    assert len(last.encode()) <= MOST_TEXT_BYTES


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"style": "poem"}, "style 'poem': allowed bedside, lab, line"),
        ({"language": "tlh"}, "language: 'tlh', allowed en"),
    ],
)
def test_an_unknown_style_or_language_is_refused(
    narration: Narration, template: bytes, change: dict[str, Any], line: str
) -> None:
    narration.written([Record(7, "summary", template)])
    with pytest.raises(BadInput, match=line):
        narration.take(text(7, **change))


def test_facts_of_another_version_are_not_worded(
    narration: Narration, make_start: Callable[..., Start]
) -> None:
    old = summary(make_start(), "window", Wording(TRUE), {"model_synthetic": True, "frames": 3})
    narration.written([Record(7, "summary", old)])
    with pytest.raises(BadInput, match="facts: "):
        narration.take(text(7))


def test_the_status_tells_what_the_summariser_said(narration: Narration) -> None:
    assert narration.told()["heard_s"] is None
    narration.hear(
        Summariser(v=1, id=1, type="summariser", llm=LLM, skipped=4, unworded=2, reason="slow")
    )
    told = narration.told()
    assert told["heard_s"] < 60
    assert (told["skipped"], told["unworded"], told["reason"]) == (4, 2, "slow")
    assert told["llm"] == LLM.model_dump()


@pytest.fixture
def free(entered: list[SummaryWorded], template: bytes) -> Narration:
    def enter(entry: SummaryWorded) -> bool:
        entered.append(entry)
        return True

    narration = Narration(SummaryConfig(llm="smollm2", mode="free"), enter)
    narration.written([Record(7, "summary", template)])
    return narration


def test_a_free_text_is_taken_where_the_verifier_finds_nothing(
    free: Narration, entered: list[SummaryWorded]
) -> None:
    free.take(text(7, TRUE, source="llm-free"))
    assert unpack_result(entered[0].payload)["source"] == "llm-free"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Leukaemia. " + TRUE, "Leukaemia"),
        ("There were 4,000 cells. " + TRUE, "4,000"),
        (TRUE + "\n", "a character that is not shown"),
        (TRUE + "\u202e", "a character that is not shown"),
        (TRUE.replace("not a diagnosis", "a diagnosis"), "diagnosis"),
    ],
)
def test_a_free_text_that_says_more_is_refused_in_one_line(
    free: Narration, entered: list[SummaryWorded], said: str, line: str
) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        free.take(text(7, said, source="llm-free"))
    assert "\n" not in str(caught.value)
    assert not entered


def test_a_judge_that_fails_costs_the_text_and_nothing_else(
    narration: Narration, template: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(plan: object, text: str) -> bool:
        raise RecursionError

    narration.written([Record(7, "summary", template)])
    with monkeypatch.context() as patch:
        patch.setattr("phenostream.daemon.narration.says", broken)
        with pytest.raises(BadInput, match=r"could not be judged \(RecursionError\)"):
            narration.take(text(7))
    narration.take(text(7))


def test_a_summary_is_judged_a_few_times_and_others_go_on(
    narration: Narration, template: bytes
) -> None:
    narration.written([Record(7, "summary", template), Record(8, "summary", template)])
    for _ in range(MOST_TRIES):
        with pytest.raises(BadInput, match="not one that the plan"):
            narration.take(text(7, "a lie"))
    for said in ("a lie", TRUE):
        with pytest.raises(BadInput, match=f"for it, allowed {MOST_TRIES} at most"):
            narration.take(text(7, said))
    narration.take(text(8))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"name": "The patient is well"}, "llm.name 'The patient is well': allowed 'smollm2', as"),
        ({"binding": "leukaemia"}, "llm.binding 'leukaemia': allowed llama-cpp-python, xllamacpp"),
    ],
)
def test_a_text_is_of_the_sites_own_language_model(
    narration: Narration, template: bytes, change: dict[str, str], line: str
) -> None:
    narration.written([Record(7, "summary", template)])
    with pytest.raises(BadInput, match=line):
        narration.take(text(7, llm=LLM.model_copy(update=change)))


def test_a_site_without_a_language_model_takes_no_text(template: bytes) -> None:
    narration = Narration(SummaryConfig(), lambda entry: True)
    narration.written([Record(7, "summary", template)])
    with pytest.raises(BadInput, match=r"summary.mode = 'grammar' and no summary.llm"):
        narration.take(text(7))
