"""Rows that nobody reads are not computed; whatever somebody reads is, and comes out as before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.engine.backends.openvino.unread_rows import drop_unread_rows
from phenostream.engine.bundle import load_bundle
from tests.engine.backends.openvino_graphs import OPENVINO, OPS, draw, lengths, model_of, outputs

DEMO = Path(__file__).parents[3] / "deploy" / "demo_bundle"
TOKENS, WIDTH, HEADS = 5, 8, 2


def constant(*numbers: int) -> Any:
    return OPS.constant(np.array(numbers))


def taken(value: Any, row: int = 0, axis: int = 1) -> Any:
    return OPS.gather(value, OPS.constant(np.array(row)), OPS.constant(np.array(axis)))


def heads(value: Any) -> Any:
    split = OPS.reshape(value, constant(-1, TOKENS, HEADS, WIDTH // HEADS), False)
    return OPS.transpose(split, constant(0, 2, 1, 3))


def attention(x: Any) -> Any:
    """(N, TOKENS, WIDTH), with a residual, as of a transformer's block."""
    q, k, v = (heads(OPS.matmul(x, draw(WIDTH, WIDTH), False, False)) for _ in range(3))
    weights = OPS.softmax(OPS.matmul(q, k, False, True), -1)
    mixed = OPS.transpose(OPS.matmul(weights, v, False, False), constant(0, 2, 1, 3))
    joined = OPS.reshape(mixed, constant(-1, TOKENS, WIDTH), False)
    return OPS.add(x, OPS.matmul(joined, draw(WIDTH, WIDTH), False, False))


def perceptron(x: Any) -> Any:
    normal = OPS.mvn(x, constant(-1), True, 1e-5, "INSIDE_SQRT")
    return OPS.add(x, OPS.gelu(OPS.matmul(normal, draw(WIDTH, WIDTH), False, False), "erf"))


ALONE: dict[str, tuple[Callable[[Any], Any], str, int, list[int]]] = {
    "a projection": (lambda x: taken(OPS.matmul(x, draw(8, 3), False, False), 2), "MatMul", 1, [1]),
    "the last row, with an offset a row": (
        lambda x: taken(OPS.add(x, draw(1, TOKENS, WIDTH)), TOKENS - 1),
        "Add",
        1,
        [1],
    ),
    "through a quantiser": (
        lambda x: taken(
            OPS.matmul(
                OPS.fake_quantize(
                    x, *(OPS.constant(np.float32(end)) for end in (-4, 4, -4, 4)), 256
                ),
                draw(WIDTH, 3),
                False,
                False,
            )
        ),
        "FakeQuantize",
        1,
        [1],
    ),
    "a perceptron": (lambda x: taken(perceptron(x)), "Gelu", 1, [1]),
    "queries of an attention, keys and values not": (
        lambda x: taken(attention(x)),
        "Softmax",
        2,
        [1],
    ),
    "of two blocks, the last": (
        lambda x: taken(perceptron(attention(perceptron(attention(x))))),
        "Gelu",
        1,
        [TOKENS, 1],
    ),
}
WHOLE: dict[str, tuple[Callable[[Any], Any], str, int]] = {
    "the mean is read too": (
        lambda x: [taken(y := perceptron(x)), OPS.reduce_mean(y, [1], False)],
        "Gelu",
        1,
    ),
    "it leaves the graph too": (lambda x: [taken(y := perceptron(x)), y], "Gelu", 1),
    "another row is taken too": (
        lambda x: [taken(y := perceptron(x)), taken(y, 1)],
        "Gelu",
        1,
    ),
    "a softmax across the rows": (lambda x: taken(OPS.softmax(OPS.abs(x), 1)), "Softmax", 1),
    "a norm across the rows": (
        lambda x: taken(OPS.mvn(OPS.abs(x), constant(1, 2), True, 1e-5, "INSIDE_SQRT")),
        "MVN",
        1,
    ),
    "several rows are taken": (
        lambda x: OPS.gather(OPS.relu(x), constant(0, 1), OPS.constant(np.array(1))),
        "Relu",
        1,
    ),
    "a column is taken of a product": (
        lambda x: taken(OPS.matmul(x, draw(8, 3), False, False), 0, 2),
        "MatMul",
        2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ALONE)
def test_what_leads_to_one_row_only_computes_that_row(case: str) -> None:
    body, kind, axis, expected = ALONE[case]
    model = model_of([-1, TOKENS, WIDTH], body)
    value = np.random.default_rng(1).normal(size=(3, TOKENS, WIDTH)).astype(np.float32)
    before = outputs(model, value)
    assert drop_unread_rows(OPENVINO, model) > 0
    assert lengths(model, kind, axis) == expected
    np.testing.assert_allclose(outputs(model, value)[0], before[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", WHOLE)
def test_what_is_read_whole_stays_whole(case: str) -> None:
    body, kind, axis = WHOLE[case]
    model = model_of([-1, TOKENS, WIDTH], body)
    before = lengths(model, kind, axis)
    drop_unread_rows(OPENVINO, model)
    assert lengths(model, kind, axis) == before


def test_the_demo_bundle_keeps_one_token_in_its_last_block() -> None:
    model = OPENVINO.Core().read_model(load_bundle(DEMO).files["model.onnx"])
    assert drop_unread_rows(OPENVINO, model) > 10
    tokens = [
        node.output(0).get_partial_shape()[1].get_length()
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Gelu" and len(node.output(0).get_partial_shape()) == 3
    ]
    assert tokens == [50, 1]
