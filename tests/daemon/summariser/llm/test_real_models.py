"""The real GGUF through each binding of llama.cpp: in the grammar, deterministic, in time, and no port open."""

import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from phenostream.daemon.summariser.llm.bindings import PACKAGES, open_language_model
from phenostream.daemon.summariser.llm.protocol import Completion, LanguageModel, Opening
from phenostream.engine.errors import BadInput, BadLanguageModel
from phenostream.engine.summary.plan import Plan, choices, gbnf, says, split_tail
from phenostream.engine.summary.prompt import messages
from phenostream.engine.summary.wording import Style, plan_of
from tests.daemon.summariser.real_models import need, real_model
from tests.engine.summary.populations import population

CHAT = [{"role": "user", "content": "Write a summary of the cells in one plain sentence."}]
LONG_S = 250.0
pytestmark = pytest.mark.timeout(300)  # on a busy box


@pytest.fixture(scope="module", params=list(PACKAGES))
def model(request: pytest.FixtureRequest) -> Iterator[LanguageModel]:
    opened = open_language_model(Opening(real_model()), need(request.param))
    yield opened
    opened.close()


def head_of(seed: int, style: Style) -> Plan:
    return split_tail(plan_of(population(seed), style, "en"))[0]


def worded(model: LanguageModel, head: Plan, seconds: float = LONG_S) -> Completion:
    question = messages(population(0), "line", "en", "grammar")
    return model.complete(question, grammar=gbnf(head), max_tokens=256, deadline_s=seconds)


def test_a_model_says_who_it_is(model: LanguageModel) -> None:
    assert len(model.facts.sha256) == 64
    assert model.facts.parameters > 100_000_000
    assert model.facts.has_chat_template
    assert model.facts.licence


def test_a_model_words_a_plan(model: LanguageModel) -> None:
    head = head_of(2, "bedside")
    assert choices(head) > 1
    done = worded(model, head)
    assert (done.ended, says(head, done.text)) == ("stop", True)


def test_a_model_says_the_same_again(model: LanguageModel) -> None:
    head = head_of(3, "line")
    assert worded(model, head).text == worded(model, head).text


def test_a_model_chooses_other_words_than_the_templates_now_and_then(model: LanguageModel) -> None:
    heads = [head_of(seed, "line") for seed in (2, 3)]
    texts = [worded(model, head).text for head in heads]
    assert all(says(head, text) for head, text in zip(heads, texts, strict=True))
    assert any(
        text != "".join(slot.alternatives[0] for slot in head)
        for head, text in zip(heads, texts, strict=True)
    )


def test_a_grammar_of_any_kind_is_followed(model: LanguageModel) -> None:
    done = model.complete(
        CHAT, grammar='root ::= "µm" [0-9] [0-9] " 🧫"', max_tokens=32, deadline_s=LONG_S
    )
    assert done.ended == "stop"
    assert done.text[:2] == "µm"
    assert done.text[2:4].isdigit()
    assert done.text[4:] == " 🧫"


def test_free_text_ends_at_its_longest_and_is_the_same_for_a_seed(model: LanguageModel) -> None:
    texts = [
        model.complete(CHAT, grammar=None, max_tokens=8, deadline_s=LONG_S, seed=seed)
        for seed in (0, 0, 3, 3)
    ]
    assert [done.ended for done in texts] == ["length"] * 4
    assert texts[0].text == texts[1].text
    assert texts[2].text == texts[3].text


def test_the_deadline_ends_a_text(model: LanguageModel) -> None:
    done = model.complete(CHAT, grammar=None, max_tokens=1000, deadline_s=0.02)
    assert done.ended == "deadline"
    assert worded(model, head_of(2, "line")).ended == "stop"


def test_nothing_is_left_behind_by_a_choice(model: LanguageModel) -> None:
    """A wrapper that frees its samplers late was measured to keep 35 to 335 kB each time."""
    grammar = 'root ::= "12 cells" (" were" | " are") " counted."'
    process = psutil.Process()

    def grown_bytes(times: int) -> int:
        before = process.memory_info().rss
        for _ in range(times):
            model.complete(CHAT, grammar=grammar, max_tokens=32, deadline_s=LONG_S)
        return int(process.memory_info().rss - before)

    grown_bytes(5)
    assert grown_bytes(15) < 15 * 10_000


def test_a_grammar_that_is_none_is_refused(model: LanguageModel) -> None:
    with pytest.raises(BadInput):
        model.complete(CHAT, grammar="root ::= (", max_tokens=8, deadline_s=LONG_S)


def test_a_chat_that_is_too_long_is_refused(model: LanguageModel) -> None:
    chat = [{"role": "user", "content": "cells " * 4000}]
    with pytest.raises(BadInput):
        model.complete(chat, grammar=None, max_tokens=8, deadline_s=LONG_S)


def test_nobody_can_connect_to_the_process(model: LanguageModel) -> None:
    mine = psutil.Process().net_connections("inet")
    assert [one for one in mine if one.status == psutil.CONN_LISTEN] == []
    for one in psutil.Process().net_connections("unix"):
        if "phenostream-" in one.laddr:
            assert not Path(one.laddr).exists()
            with socket.socket(socket.AF_UNIX) as client, pytest.raises(FileNotFoundError):
                client.connect(one.laddr)


@pytest.mark.parametrize("binding", list(PACKAGES))
def test_a_file_that_is_no_model_is_refused_before_the_library_sees_it(
    tmp_path: Path, binding: str
) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(BadLanguageModel):
        open_language_model(Opening(path), need(binding))
