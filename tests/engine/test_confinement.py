"""A model that reaches outside its file is found wherever that is written, and no bytes can keep the walk busy."""

import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import AttributeProto, ModelProto, TensorProto

from phenostream.engine import confinement
from phenostream.engine.confinement import DEEPEST, OPERATOR_DOMAINS, confinement_fault

DEMO = Path(__file__).parents[2] / "deploy" / "demo_bundle"
IR = b"\x08\x0a"


def places(kind: str) -> Iterator[tuple[str, ...]]:
    """Every way of fields from a model to a message of this kind, by the onnx package's own description.

    A graph is entered twice at most, so that subgraphs of subgraphs are among them.
    """

    def walk(message: Any, way: tuple[str, ...], seen: list[str]) -> Iterator[tuple[str, ...]]:
        if message.name == kind:
            yield way
        if seen.count(message.name) == 2:
            return
        for field in message.fields:
            if field.message_type is not None and not _of_a_type(field.message_type.name):
                yield from walk(field.message_type, (*way, field.name), [*seen, message.name])

    yield from walk(ModelProto.DESCRIPTOR, (), [])


def _of_a_type(name: str) -> bool:
    """Messages that lead to no tensor; types refer to themselves without end."""
    return name in {"TypeProto", "ValueInfoProto", "NodeDeviceConfigurationProto"}


def at(model: Any, way: tuple[str, ...]) -> Any:
    """The message at the end of a way, made on it."""
    for step in way:
        inner = getattr(model, step)
        model = inner.add() if hasattr(inner, "add") else inner
        model.SetInParent()
    return model


TENSORS, NODES = list(places("TensorProto")), list(places("NodeProto"))


def test_the_ways_to_a_tensor_are_many() -> None:
    assert len(TENSORS) > 100
    assert ("graph", "initializer") in TENSORS
    assert ("functions", "node", "attribute", "sparse_tensors", "indices") in TENSORS
    assert ("graph", "node", "attribute", "graphs", "initializer") in TENSORS


def test_external_data_is_found_wherever_a_tensor_can_be() -> None:
    for way in TENSORS:
        model = ModelProto(ir_version=10)
        tensor = at(model, way)
        assert confinement_fault(model.SerializeToString()) is None, way
        tensor.data_location = TensorProto.EXTERNAL
        assert "other files" in str(confinement_fault(model.SerializeToString())), way
        tensor.ClearField("data_location")
        tensor.external_data.add(key="location", value="../../etc/passwd")
        assert "other files" in str(confinement_fault(model.SerializeToString())), way


def test_an_operator_of_another_domain_is_found_wherever_a_node_can_be() -> None:
    for way in NODES:
        model = ModelProto(ir_version=10)
        node = at(model, way)
        for domain in OPERATOR_DOMAINS:
            node.domain = domain
            assert confinement_fault(model.SerializeToString()) is None, way
        for domain in ("com.microsoft", "org.openvinotoolkit", "ai.onnx.", "AI.onnx", "x" * 500):
            node.domain = domain
            assert "names operators of" in str(confinement_fault(model.SerializeToString())), way


def test_a_domain_that_is_imported_or_defined_is_found_too() -> None:
    model = ModelProto(ir_version=10)
    model.opset_import.add(domain="", version=20)
    assert confinement_fault(model.SerializeToString()) is None
    model.opset_import.add(domain="com.microsoft", version=1)
    assert confinement_fault(model.SerializeToString()) == (
        "names operators of 'com.microsoft'; allowed ai.onnx, ai.onnx.ml"
    )
    model = ModelProto(ir_version=10)
    model.functions.add(domain="mine", name="f")
    assert "'mine'" in str(confinement_fault(model.SerializeToString()))
    model.functions[0].domain = ""
    model.functions[0].opset_import.add(domain="theirs")
    assert "'theirs'" in str(confinement_fault(model.SerializeToString()))


def tag(field: int, wire: int) -> bytes:
    return number(field << 3 | wire)


def number(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(field: int, content: bytes) -> bytes:
    return tag(field, 2) + number(len(content)) + content


def in_tensor(content: bytes) -> bytes:
    return IR + message(7, message(5, content))


WRITTEN_ODDLY = {
    "a long one": b"\x70\x81\x80\x00",
    "one and 2^32, which parsers cut to one": b"\x70" + number(2**32 + 1),
    "a location of a kind to come": b"\x70\x02",
    "the field as bytes": message(14, b"\x01"),
    "a long tag": b"\xea\x80\x00\x00",
    "the second time": b"\x70\x00\x70\x01",
}


@pytest.mark.parametrize("content", WRITTEN_ODDLY.values(), ids=WRITTEN_ODDLY)
def test_external_data_is_found_however_it_is_written(content: bytes) -> None:
    assert "other files" in str(confinement_fault(in_tensor(content)))


def nested(depth: int) -> bytes:
    """Graphs in attributes of nodes of graphs."""
    content = b""
    for level in range(depth):
        content = message((6, 5, 1)[level % 3], content)
    return IR + message(7, content)


NOT_ONNX = {
    "nothing": (b"", "no IR version"),
    "no version": (message(7, b""), "no IR version"),
    "version as bytes": (message(1, b"\x0a"), "no IR version"),
    "a tag beyond 32 bits": (IR + number((1 << 32) + (13 << 3 | 2)) + b"\x00", "field"),
    "field 0": (IR + b"\x02\x00", "field 0"),
    "a group": (IR + b"\x3b\x3c", "wire type 3"),
    "cut in a length": (IR + b"\x3a\x80", "cut short"),
    "cut in a value": (IR + b"\x3a\x05\x00", "cut short"),
    "a length of 2^64": (IR + b"\x3a" + number(2**64), "cut short"),
    "an endless number": (IR + b"\x08" + b"\xff" * 11, "number too long"),
    "too deep": (nested(DEEPEST + 2), "nested too deeply"),
    "many small fields": (IR + b"\x08\x00" * 1000, "more than 1000 fields"),
    "many nodes": (IR + message(7, b"\x0a\x00" * 1000), "more than 1000 fields"),
}


@pytest.mark.parametrize(("content", "says"), NOT_ONNX.values(), ids=NOT_ONNX)
def test_what_is_no_model_is_said_to_be_none(
    content: bytes, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confinement, "MOST_FIELDS", 1000)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=says):
            confinement_fault(content)
        assert tracemalloc.get_traced_memory()[1] < 64 << 10
    finally:
        tracemalloc.stop()


def test_the_deepest_nesting_that_is_allowed_is_walked() -> None:
    assert confinement_fault(nested(DEEPEST - 1)) is None


def test_unknown_fields_are_stepped_over_unread() -> None:
    unknown = message(1000, b"\xff" * 1000) + tag(1001, 0) + b"\x05" + tag(1002, 1) + b"\xff" * 8
    assert confinement_fault(IR + unknown + tag(1003, 5) + b"\xff" * 4) is None


@pytest.mark.parametrize("name", ["model.onnx", "model.fp16.onnx"])
def test_the_demo_models_stay_within_themselves(name: str) -> None:
    assert confinement_fault((DEMO / name).read_bytes()) is None


def test_no_mutation_of_a_model_ends_otherwise_than_in_a_verdict() -> None:
    """20,000 mutations of a small model with a subgraph, a function and a sparse tensor; seeded."""
    model = ModelProto(ir_version=10)
    model.graph.node.add(op_type="If").attribute.add(
        name="then", type=AttributeProto.GRAPH
    ).g.initializer.add(dims=[3], float_data=[1, 2, 3])
    model.graph.sparse_initializer.add().values.raw_data = b"\x00" * 8
    model.functions.add(name="f").node.add(op_type="Add", domain="ai.onnx")
    model.opset_import.add(version=20)
    whole, chance = model.SerializeToString(), random.Random(20)  # noqa: S311  # not a secret
    onnx.load_from_string(whole)
    assert confinement_fault(whole) is None
    verdicts = {"clean": 0, "outside": 0, "no model": 0}
    for _ in range(20_000):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(content))
            if chance.random() < 0.7:
                content[place] = chance.randrange(256)
            else:
                content[place:place] = chance.randbytes(chance.randint(1, 12))
        try:
            verdicts["outside" if confinement_fault(bytes(content)) else "clean"] += 1
        except ValueError:
            verdicts["no model"] += 1
    assert min(verdicts.values()) > 100, verdicts
