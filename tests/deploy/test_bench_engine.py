"""`bench engine --all` and `--roofline`: who takes part, what is compared with what, and what is counted."""

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from phenostream.deploy.bench import ceilings
from phenostream.deploy.bench.ceilings import Ceiling, measurable_ceilings
from phenostream.deploy.bench.contest import (
    ONNXRUNTIME,
    TORCH,
    Contest,
    Effort,
    Spread,
    Standing,
    hold_contest,
    steps,
)
from phenostream.deploy.bench.entrants import Entrant, Way, every_entrant, ways
from phenostream.deploy.bench.operations import Work, count_work
from phenostream.deploy.bench.promises import promises
from phenostream.deploy.bench.roofline import roofline
from phenostream.deploy.bench.roofline_picture import write_picture
from phenostream.deploy.bundles import demo_bundle
from phenostream.deploy.cli.main import BAD_USAGE, GOOD, main
from phenostream.engine.backends.fake import FakeBackend, FakeScript
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.errors import BadBundle, BadInput, EngineFault
from phenostream.engine.manifest import Precision

QUICK = Effort(rounds=2, seconds=0.01, lone_calls=3)
OPENVINO = Entrant("openvino", "bf16")


def standing(entrant: Entrant, rates: tuple[float, ...], lone_ms: float = 2.0) -> Standing:
    way = Way(2, 2, 16)
    return Standing(
        entrant, "CPU", 0.0, way, Spread.of(rates), rates, 1.0, way, lone_ms, 2 * lone_ms, 10
    )


def contest(*standings: Standing, **beside: tuple[float, ...]) -> Contest:
    return Contest(standings, {}, {name.replace("_", " "): rates for name, rates in beside.items()})


def test_everyone_takes_part_in_every_precision_but_the_fake() -> None:
    labels = [entrant.label for entrant in every_entrant()]
    assert len(labels) == len(set(labels))
    assert {"openvino bf16", "torch bf16", "torch fp32, one cell at a time", "tensorrt fp16"} <= {
        *labels
    }
    assert not any("fake" in label for label in labels)


def test_ways_are_those_asked_for_or_those_of_the_daemons_calibration() -> None:
    layouts, batches = ways(OPENVINO, (3,), (5, 7))
    assert ([streams for streams, _ in layouts], batches) == ([3], (5, 7))
    layouts, batches = ways(TORCH, None, None)
    assert layouts
    assert max(batches) <= 128  # without a GPU torch is tried as a CPU's backend


def test_each_is_timed_in_every_round_and_closed_again() -> None:
    opened: list[FakeBackend] = []
    said: list[str] = []

    def open_way(
        name: str, precision: Precision, streams: int, threads: int, largest: int
    ) -> Backend:
        opened.append(FakeBackend(streams=streams, max_batch=largest))
        return opened[-1]

    entrants = [Entrant("fake", "fp32"), Entrant("torch", "fp32", one_cell=True)]
    found = hold_contest(
        entrants,
        open_way,
        lambda backend: 0.5,
        lambda entrant: ([(1, 1)], (4,)),
        effort=QUICK,
        beside=[Ceiling("CPU fp32", "counted", "operations", lambda: None, 2.0)],
        on_step=said.append,
    )
    assert {one.entrant for one in found.standings} == set(entrants)
    assert all(len(one.rates) == QUICK.rounds and one.golden == 0.5 for one in found.standings)
    assert {one.entrant.one_cell: one.way.batch for one in found.standings} == {False: 4, True: 1}
    assert all(one.lone_calls == QUICK.rounds * QUICK.lone_calls for one in found.standings)
    assert len(found.beside["CPU fp32"]) == QUICK.rounds
    assert len(said) == steps(len(entrants), 1, QUICK)
    assert opened
    assert all(backend.closed for backend in opened)


@pytest.mark.parametrize("fails_at", [1, 200])
def test_who_does_not_load_or_fails_amid_is_absent_with_the_reason(fails_at: int) -> None:
    def open_way(
        name: str, precision: Precision, streams: int, threads: int, largest: int
    ) -> Backend:
        if name == "openvino":
            raise BadBundle("golden class_logits differs")
        return FakeBackend(FakeScript(fail_at=frozenset(range(fails_at, 10**6))))

    found = hold_contest(
        [OPENVINO, ONNXRUNTIME],
        open_way,
        lambda backend: 0.0,
        lambda entrant: ([(1, 1)], (4,)),
        effort=Effort(rounds=2, seconds=0.2, lone_calls=3),
    )
    assert found.standings == ()
    assert found.absent["openvino bf16"] == "golden class_logits differs"
    assert "told to fail" in found.absent["onnxruntime fp32"]


def test_ratios_are_of_the_same_round() -> None:
    quick, slow = standing(OPENVINO, (600.0, 60.0, 300.0)), standing(TORCH, (100.0, 10.0, 100.0))
    assert quick.ratio_to(slow) == Spread(6.0, 3.0, 6.0)
    row = contest(quick, slow).as_dict()["rows"][0]
    assert (row["label"], row["ratio_to"]["torch fp32"]["median"]) == ("openvino bf16", 6.0)
    assert json.loads(json.dumps(row)) is not None


def test_a_promise_is_kept_broken_or_not_measured() -> None:
    found = contest(
        standing(OPENVINO, (600.0,), 1.4), standing(TORCH, (100.0,)), standing(ONNXRUNTIME, (200.0,))
    )  # fmt: skip
    assert [one.met for one in promises(found, amx=True)] == [True, False, True]
    assert [one.met for one in promises(found, amx=False)] == [True, True, True]
    alone = promises(contest(standing(OPENVINO, (600.0,), 1.6)), amx=True)
    assert [one.met for one in alone] == [None, None, False]
    assert "1.5" in str(alone[-1].as_dict()["bound"])
    assert [one.met for one in promises(contest(), amx=True)] == [None, None, None]


def test_the_demo_graph_asks_for_what_its_layers_say() -> None:
    work = count_work((demo_bundle() / "model.onnx").read_bytes())
    stem = 2 * 64 * 28 * 28 * 4 * 9
    assert work.operations["convolution"] > stem
    assert work.total == pytest.approx(0.3147e9, rel=0.01)  # DESIGN: 0.313 GFLOP a cell
    assert work.products / work.total > 0.99
    assert work.values_in_out == 4 * 28 * 28 + 4 + 3 + 4 + 3 + 4 + 8 + 1 + 1 + 256
    assert work.least_bytes("fp32", 1) - work.least_bytes("fp32", 2) == work.weights * 2
    assert work.unfused_bytes("bf16", 16) < work.unfused_bytes("fp32", 16)
    with pytest.raises(BadBundle, match=r"^model\.onnx: cannot be counted: "):
        count_work(b"no graph")


@pytest.mark.trainer
def test_a_graph_by_hand_is_counted_exactly() -> None:
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    weights = {
        "kernel": np.ones((8, 4, 3, 3), np.float32),
        "matrix": np.ones((8 * 28 * 28, 5), np.float32),
        "shape": np.array([-1, 8 * 28 * 28], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["images", "kernel"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Reshape", ["b", "shape"], ["c"]),
        helper.make_node("MatMul", ["c", "matrix"], ["out"]),
    ]
    entry = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 4, 28, 28])
    end = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 5])
    kept = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "hand", [entry], [end], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    work = count_work(model.SerializeToString())
    inside = 8 * 28 * 28
    assert work.operations == {
        "convolution": 2 * inside * 4 * 9,
        "other (Relu)": inside,
        "matrix product": 2 * 5 * inside,
    }
    assert work.values_moved == (4 * 28 * 28 + inside) + 2 * inside + (inside + 5)
    assert work.weights == 8 * 4 * 9 + 5 * inside


WORK = Work({"convolution": 90, "activation": 10}, 100, 10, 40)


def test_a_share_is_of_the_ceiling_of_the_same_round_and_precision(tmp_path: Path) -> None:
    roofs = [
        Ceiling("CPU bf16", "counted", "operations", lambda: None, 1.0),
        Ceiling("CPU memory", "counted", "bytes", lambda: None, 1.0),
    ]
    found = contest(
        standing(OPENVINO, (10.0, 20.0)),
        standing(ONNXRUNTIME, (5.0, 5.0)),
        CPU_bf16=(1800.0, 1800.0),
        CPU_memory=(450.0, 450.0),
    )
    line = roofline(WORK, found, roofs, {"CPU fp32": "told to be absent"})
    first, second = line.places
    assert first.of_matrix == Spread(0.75, 0.5, 1.0)  # of 90 operations, not of 100
    assert first.least_bytes == 10 * 4 + 40 * 2 / 16
    assert first.unfused_bytes == 100 * 2 + 40 * 2 / 16
    assert first.of_memory_least == Spread(1.5, 1.0, 2.0)
    assert (second.matrix, second.of_matrix) == (None, None)
    assert line.as_dict()["work"]["total"] == 100
    path = tmp_path / "roof.svg"
    write_picture(path, line)
    words = "".join(ElementTree.parse(path).getroot().itertext())  # noqa: S314  # our own file
    assert all(label in words for label in ("openvino bf16", "onnxruntime fp32", "CPU memory"))
    with pytest.raises(BadInput, match="nothing to draw"):
        write_picture(path, roofline(WORK, contest(), roofs[:0], {}))
    with pytest.raises(BadInput, match="Is a directory"):
        write_picture(tmp_path, line)


def test_a_ceiling_is_its_amount_over_the_time_of_its_calls() -> None:
    calls: list[None] = []
    ceiling = Ceiling("CPU fp32", "counted", "operations", lambda: calls.append(None), 3.0)
    assert ceiling.rate(0.02) <= 3.0 * len(calls) / 0.02


def test_ceilings_are_those_the_box_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "_TRIAD_BYTES", 1 << 22)

    def refuse(precision: str) -> Ceiling:
        raise EngineFault(f"this CPU has no units for {precision}")

    monkeypatch.setattr(ceilings, "_cpu_products", refuse)
    monkeypatch.setattr(ceilings, "cuda_devices", lambda: 0)
    found, absent = measurable_ceilings(["fp16", "bf16", "bf16"])
    assert [one.label for one in found] == ["CPU memory"]
    assert found[0].rate(0.01) > 1e6
    assert list(absent) == ["CPU fp16", "CPU bf16"]


def test_a_chain_of_products_runs_in_every_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "_SHAPES", ceilings._SHAPES[:1])
    found, _ = measurable_ceilings(["fp32", "int8"])
    assert {one.label for one in found} >= {"CPU fp32", "CPU memory"}
    assert all(one.rate(0.01) > 0 for one in found)


@pytest.mark.trainer
def test_the_gpus_yardsticks_do_the_work_they_say_on_a_cpu_too() -> None:
    pytest.importorskip("torch")
    from phenostream.engine.backends.torch.yardsticks import products, triad

    works: list[tuple[Callable[[], None], float]] = [
        products("bf16", device="cpu", side=32),
        triad(device="cpu", values=64),
    ]
    for run, _ in works:
        run()
    assert [amount for _, amount in works] == [2 * 32**3 * 8, 3 * 4 * 64 * 8]


def test_the_command_tells_all_as_json_and_refuses_a_picture_of_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["bench", "engine", "--all", "--backend", "fake", "--rounds", "1", "--streams", "1"]
    assert main([*words, "--batches", "4", "--json"]) == GOOD
    told = json.loads(capsys.readouterr().out)
    assert [row["label"] for row in told["rows"]] == ["fake fp32"]
    assert [one["met"] for one in told["promises"]][:2] == [None, None]
    assert main(["bench", "engine", "--picture", "roof.svg"]) == BAD_USAGE
    assert "--picture roof.svg: allowed with --roofline" in capsys.readouterr().err
