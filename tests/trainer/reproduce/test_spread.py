import pytest

from phenostream.trainer.evaluation.schema.reproduction import Reproduction, SeedSpread
from phenostream.trainer.reproduce.spread import gaps_between


def run(protocol: str, accuracy: float, sd: float | None, *others: str) -> Reproduction:
    spread = [SeedSpread(name="accuracy", mean=accuracy, sd=sd, values=(accuracy, accuracy))]
    spread += [SeedSpread(name=name, mean=0.5, sd=0.1, values=(0.5,)) for name in others]
    return Reproduction(
        protocol=protocol,
        quick=False,
        synthetic=True,
        seeds=(1, 2),
        evaluations=(),
        spread=tuple(spread),
    )


def test_gaps_say_how_much_of_a_number_is_the_split() -> None:
    runs = [run("fov", 0.80, 0.04, "only here"), run("paper", 0.92, 0.03), run("clean", 0.90, 0.04)]
    paper, clean = gaps_between(runs)
    assert (paper.name, paper.figure) == ("paper minus clean", "accuracy")
    assert paper.value == pytest.approx(0.02)
    assert paper.sd == pytest.approx(0.05)
    assert clean.name == "clean minus fov"
    assert clean.value == pytest.approx(0.10)


def test_one_seed_has_no_sd_and_one_protocol_no_gap() -> None:
    assert gaps_between([run("paper", 0.9, 0.1)]) == ()
    (gap,) = gaps_between([run("paper", 0.9, None), run("clean", 0.9, 0.1)])
    assert gap.sd is None
