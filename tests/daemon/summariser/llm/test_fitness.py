"""Which models may word a summary, and how."""

import io

import pytest

from phenostream.daemon.summariser.llm.fitness import LEAST_FREE_PARAMETERS, refuse_unfit
from phenostream.daemon.summariser.llm.gguf import GgufHeader, parse_header
from phenostream.engine.errors import BadLanguageModel
from tests.daemon.summariser.llm.gguf_files import Gguf, Tensor, chat_model


def header_of(file: Gguf) -> GgufHeader:
    content = file.as_bytes()
    return parse_header(io.BytesIO(content), len(content))


def test_a_chat_model_may_be_led_by_a_grammar_whatever_its_size() -> None:
    refuse_unfit(header_of(chat_model()), "grammar")


@pytest.mark.parametrize("template", ["", " \n"])
def test_a_base_model_is_refused(template: str) -> None:
    with pytest.raises(BadLanguageModel, match="no chat template: a base model"):
        refuse_unfit(header_of(chat_model(tokenizer__chat_template=template)))


@pytest.mark.parametrize(("short_by", "allowed"), [(0, True), (1, False)])
def test_free_mode_takes_no_small_model(short_by: int, allowed: bool) -> None:
    # type 77 is none we know the size of: a tensor without data
    tensor = Tensor(shape=(LEAST_FREE_PARAMETERS - short_by,), kind=77)
    header = header_of(Gguf(chat_model().keys, tensors=(tensor,)))
    if allowed:
        refuse_unfit(header, "free")
        return
    with pytest.raises(BadLanguageModel, match="1,499,999,999 parameters, allowed 1,500,000,000"):
        refuse_unfit(header, "free")
