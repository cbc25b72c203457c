"""A GGUF file's header: what is read of it, and one line for every way that it can be wrong."""

import io
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenostream.daemon.summariser.llm.gguf import MOST_HEADER_BYTES, parse_header, read_header
from phenostream.engine.errors import BadLanguageModel
from tests.daemon.summariser.llm.gguf_files import (
    TEMPLATE,
    Gguf,
    Tensor,
    chat_model,
    text,
)

CHAT = chat_model()
WHOLE = CHAT.as_bytes()


def said_of(content: bytes) -> str:
    with pytest.raises(BadLanguageModel) as refused:
        parse_header(io.BytesIO(content), len(content))
    said = str(refused.value)
    assert len(said.splitlines()) == 1
    return said


def test_what_a_file_says_about_itself(tmp_path: Path) -> None:
    path = tmp_path / "toy.gguf"
    path.write_bytes(WHOLE)
    header = read_header(path)
    assert (header.architecture, header.name) == ("llama", "Toy Instruct")
    assert (header.parameters, header.tensors, header.quantisation) == (32, 1, "F32")
    assert (header.licence, header.chat_template) == ("apache-2.0", TEMPLATE)
    assert header.context_length == 2048


def test_what_a_file_does_not_say_is_empty_not_guessed() -> None:
    content = Gguf({"general.architecture": "llama"}, tensors=(), data=0).as_bytes()
    header = parse_header(io.BytesIO(content), len(content))
    assert (header.name, header.licence, header.chat_template, header.quantisation) == ("",) * 4
    assert (header.context_length, header.parameters) == (None, 0)


def test_version_2_is_read_as_version_3() -> None:
    content = replace(CHAT, version=2).as_bytes()
    assert parse_header(io.BytesIO(content), len(content)).parameters == 32


def test_how_most_values_are_stored_is_the_quantisation() -> None:
    tensors = (Tensor("norm", (64,), 0, 0), Tensor("ffn", (256, 4), 12, 256))
    content = replace(CHAT, tensors=tensors, data=256 + 4 * 144).as_bytes()
    header = parse_header(io.BytesIO(content), len(content))
    assert (header.quantisation, header.parameters) == ("Q4_K", 64 + 1024)


def test_a_tensor_type_that_is_newer_than_we_is_named_by_its_number() -> None:
    content = replace(CHAT, tensors=(Tensor(kind=77),)).as_bytes()
    assert parse_header(io.BytesIO(content), len(content)).quantisation == "type 77"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cut short in magic, at byte 0"),
        (b"GGU", "cut short in magic"),
        (b"\x80\x02]q\x00", "not a GGUF file"),
        (b"GGUF", "cut short in version, at byte 4"),
        (replace(CHAT, version=1).as_bytes(), "GGUF version 1, allowed 2 and 3"),
        (replace(CHAT, version=3 << 24).as_bytes(), "GGUF version 50331648"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 1 << 40, 0), "1099511627776 tensors, allowed 0 to"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 1 << 63), "keys, allowed 0 to 4096"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + struct.pack("<Q", 1 << 62), "a key's name: "),
        (
            struct.pack("<4sIQQ", b"GGUF", 3, 0, 1)
            + text("x")
            + struct.pack("<IIQ", 9, 8, 1 << 62),
            "x: 4611686018427387904 texts in a list, allowed 2097152 in all lists",
        ),
        (
            struct.pack("<4sIQQ", b"GGUF", 3, 0, 1)
            + text("x")
            + struct.pack("<IIQ", 9, 10, 1 << 62),
            "cut short in x",
        ),
        (
            struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + text("x") + struct.pack("<IIQ", 9, 9, 1),
            "x: a list of type 9, allowed numbers or texts",
        ),
        (
            struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + text("x") + struct.pack("<I", 13),
            "x: type 13, allowed 0 to 12",
        ),
        (
            struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + text(b"\xff\xfe") + struct.pack("<I", 4),
            "a key's name: not UTF-8",
        ),
        (chat_model(general__architecture=7).as_bytes(), "general.architecture: 7, allowed a text"),
        (chat_model(general__architecture=["llama"]).as_bytes(), "general.architecture: type 9"),
        (chat_model(general__architecture="").as_bytes(), "no general.architecture"),
        (chat_model(general__name="x" * 200).as_bytes(), "general.name: 200 letters, allowed 128"),
        (
            chat_model(tokenizer__chat_template="x" * (2 << 20)).as_bytes(),
            "tokenizer.chat_template: 2097152 bytes, allowed 1048576",
        ),
        (chat_model(llama__context_length=-1).as_bytes(), "llama.context_length: -1, allowed"),
        (chat_model(llama__context_length=0.5).as_bytes(), "llama.context_length: 0.5, allowed"),
        (chat_model(general__alignment=0).as_bytes(), "general.alignment: 0, allowed 1 to"),
        (chat_model(split__count=3).as_bytes(), "one of 3 parts of a model"),
        (replace(CHAT, tensors=(Tensor(shape=()),)).as_bytes(), "0 dimensions, allowed 1 to 4"),
        (replace(CHAT, tensors=(Tensor(shape=(1,) * 5),)).as_bytes(), "5 dimensions"),
        (replace(CHAT, tensors=(Tensor(shape=(1 << 60,) * 4),)).as_bytes(), "values, allowed 1 to"),
        (replace(CHAT, tensors=(Tensor(shape=(0, 8)),)).as_bytes(), "0 values, allowed 1 to"),
        (replace(CHAT, tensors=(Tensor(offset=1 << 50),)).as_bytes(), "its tensors need"),
        (WHOLE[:-1], "cut short: "),
        (
            struct.pack("<4sIQQ", b"GGUF", 3, 0, 2)
            + 2 * (text("general.name") + struct.pack("<I", 8) + text("x")),
            "general.name: there twice",
        ),
        (
            struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + text("x\n\x1b[2J") + struct.pack("<I", 4),
            "a key's name: 'x\\n\\x1b[2J', allowed what can be printed",
        ),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(content: bytes, says: str) -> None:
    assert says in said_of(content)


def test_a_header_has_a_limit_however_large_the_file_is() -> None:
    start = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + text("x")
    claim = start + struct.pack("<IIQ", 9, 0, MOST_HEADER_BYTES)
    with pytest.raises(BadLanguageModel, match="the header is longer than"):
        parse_header(io.BytesIO(claim), 1 << 40)


@pytest.mark.parametrize("made", ["missing", "folder", "pipe"])
def test_what_is_no_file_is_refused_at_once_with_its_path(tmp_path: Path, made: str) -> None:
    path = tmp_path / "model.gguf"
    if made == "folder":
        path.mkdir()
    elif made == "pipe":
        os.mkfifo(path)
    with pytest.raises(BadLanguageModel, match=str(path)):
        read_header(path)


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_is_cut_anywhere_is_refused(length: int) -> None:
    said_of(WHOLE[:length])


@given(st.data())
def test_an_altered_file_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        patch = data.draw(st.binary(min_size=1, max_size=9))
        content[at : at + len(patch)] = patch
    _read_or_refused(bytes(content))


@given(st.binary(max_size=400))
def test_noise_behind_the_magic_is_read_or_refused_and_nothing_else(noise: bytes) -> None:
    _read_or_refused(b"GGUF\x03\0\0\0" + noise)


def _read_or_refused(content: bytes) -> None:
    """Anything else than these two is an error of the test."""
    refusal = ""
    try:
        parse_header(io.BytesIO(content), len(content))
    except BadLanguageModel as err:
        refusal = str(err)
    assert len(refusal.splitlines()) <= 1
