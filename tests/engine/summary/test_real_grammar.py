"""The grammars of plans as llama.cpp itself reads them: every text of a plan is let through, nothing else."""

import ctypes
import math
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest

from phenostream.engine.summary.plan import Plan, first, gbnf, one_of
from phenostream.engine.summary.wording import LANGUAGES, STYLES, plan_of
from tests.daemon.summariser.real_models import need, real_model
from tests.engine.summary.populations import population
from tests.engine.summary.wording.hostile_names import HOSTILE, named

_LONGEST: Final = 1 << 16


class Reader:
    """llama.cpp's reader of grammars, with the vocabulary of the real model."""

    def __init__(self, library: Any, vocabulary: Any) -> None:
        self._library, self._vocabulary = library, vocabulary

    def lets_through(self, grammar: str, text: str) -> bool:
        """Whether the whole text, token by token, and then its end, is allowed."""
        sampler = self._library.llama_sampler_init_grammar(
            self._vocabulary, grammar.encode(), b"root"
        )
        assert sampler, grammar
        try:
            for token in (*self._tokens(text), self._library.llama_vocab_eos(self._vocabulary)):
                if not self._allows(sampler, token):
                    return False
                self._library.llama_sampler_accept(sampler, token)
            return True
        finally:
            self._library.llama_sampler_free(sampler)

    def _allows(self, sampler: Any, token: int) -> bool:
        candidate = (self._library.llama_token_data * 1)((token, 1.0, 0.0))
        candidates = self._library.llama_token_data_array(candidate, 1, -1, False)
        self._library.llama_sampler_apply(sampler, ctypes.byref(candidates))
        return not math.isinf(candidate[0].logit)

    def _tokens(self, text: str) -> list[int]:
        data, room = text.encode(), (self._library.llama_token * _LONGEST)()
        count = self._library.llama_tokenize(
            self._vocabulary, data, len(data), room, _LONGEST, False, False
        )
        assert count >= 0
        return list(room[:count])


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    path = real_model()
    need("llama-cpp-python")
    library = pytest.importorskip("llama_cpp")
    library.llama_backend_init()
    parameters = library.llama_model_default_params()
    parameters.vocab_only = True
    model = library.llama_model_load_from_file(str(path).encode(), parameters)
    assert model
    yield Reader(library, library.llama_model_get_vocab(model))
    library.llama_model_free(model)


def walks(plan: Plan) -> Iterator[str]:
    yield first(plan)
    for seed in range(3):
        draw = Random(seed)  # noqa: S311  # no secret
        yield "".join(draw.choice(slot.alternatives) for slot in plan)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_texts_of_a_plan_are_let_through_and_others_are_not(
    reader: Reader, style: str, language: str
) -> None:
    for seed in range(16):
        plan = plan_of(population(seed), style, language)  # type: ignore[arg-type]  # parametrised
        grammar = gbnf(plan)
        for text in walks(plan):
            assert reader.lets_through(grammar, text)
        text = first(plan)
        for other in (text[:-1], f"{text} ", text.replace("1", "7", 1) + "!", text.upper()):
            assert not reader.lets_through(grammar, other)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leaves_its_literal(reader: Reader, name: str) -> None:
    plan = plan_of(named(name), "line")
    grammar = gbnf(plan)
    for text in walks(plan):
        assert reader.lets_through(grammar, text)
    assert not reader.lets_through(grammar, "anything")


def test_characters_of_every_kind_are_read_as_they_are_written(reader: Reader) -> None:
    odd = '"\\[]|()*+?{}.^-$~` µ“„…🦫é'
    grammar = gbnf((one_of(odd, "a"), one_of(" end")))
    assert reader.lets_through(grammar, f"{odd} end")
    assert reader.lets_through(grammar, "a end")
    assert not reader.lets_through(grammar, f"{odd}a end")
