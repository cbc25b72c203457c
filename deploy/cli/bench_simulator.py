"""`phenostream bench simulator`: simulated cells beside real ones, by one measure on both, and a page to look at."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli.terminal import note, progress, say, say_json, say_table
from phenostream.deploy.extras import need

if TYPE_CHECKING:
    from phenostream.trainer.likeness.comparison import Spread
    from phenostream.trainer.likeness.study import Likeness, PhaseStudy

PAGE = "simulator.html"
NUMBERS = "simulator.json"


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    parser.add_argument(
        "--figures", type=Path, required=True, metavar="DIR", help="real cells: index.csv and png/"
    )
    parser.add_argument(
        "--preset", choices=["easy", "hard"], default="hard", help="of the simulator (default hard)"
    )
    parser.add_argument(
        "--phase", type=Path, metavar="FILE", help="measured phase maps of a cell, a .tar.lzma"
    )
    parser.add_argument(
        "--times", type=int, default=4, help="simulated cells for each real one (default 4)"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, other cells")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the page and the numbers")


def measure(args: argparse.Namespace) -> int:
    """Read, simulate, compare, print, and write the page."""
    need("sklearn", "trainer")
    if args.phase is not None:
        need("h5py", "phase")
    from phenostream.trainer.likeness.study import (
        LikenessPlan,
        real_cells,
        study_likeness,
        study_phase,
    )

    plan = LikenessPlan(args.preset, args.times, args.seed)
    total = args.times * len(real_cells(args.figures)[0])
    with progress(total, "bench simulator", "cell") as bar:
        found = study_likeness(args.figures, plan, bar.update)
    phase = None if args.phase is None else study_phase(args.phase, plan)
    numbers = _numbers(found, phase)
    if args.out is not None:
        _write(args.out, found, phase, numbers)
    if args.json:
        say_json(numbers)
        return 0
    _say(found, phase)
    return 0


def _numbers(found: "Likeness", phase: "PhaseStudy | None") -> dict[str, Any]:
    from phenostream.trainer.likeness.phase_page import phase_numbers

    told = {"synthetic": True, **found.as_dict()}
    return told if phase is None else {**told, "phase_medians": phase_numbers(phase)}


def _write(
    folder: Path, found: "Likeness", phase: "PhaseStudy | None", numbers: dict[str, Any]
) -> None:
    import json

    from phenostream.trainer.likeness.page import render
    from phenostream.trainer.written_whole import write_whole

    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / NUMBERS, (json.dumps(numbers, indent=1) + "\n").encode())
    write_whole(folder / PAGE, render(found, phase).encode())
    note(f"page: {folder / PAGE}")


def _say(found: "Likeness", phase: "PhaseStudy | None") -> None:
    from phenostream.trainer.likeness.page import EXPLAINED

    both = found.comparison
    for line in found.left_out:
        note(f"left out: {line}")
    say(
        f"{both.real_cells} real cells beside {both.synthetic_cells} SYNTHETIC ones of preset {found.plan.preset}, "
        "kinds in the same shares; medians, 10th to 90th percentile; grey levels of 255"
    )
    say_table(
        ["statistic", "real", "range", "synthetic", "range", "ratio"],
        [(EXPLAINED[row.name], *_cells(row.real, 2), *_cells(row.synthetic, 2),
          "none" if row.ratio is None else f"{row.ratio:.2f}") for row in both.rows],
    )  # fmt: skip
    say_table(
        ["apparent diameter, px", "real cells", "real", "range", "synthetic", "range"],
        [(row.name, row.cells, *_cells(row.real, 1), *_cells(row.synthetic, 1))
         for row in found.sizes],
    )  # fmt: skip
    apart = both.told_apart
    say(
        f"told apart by a logistic model on all statistics: AUC {apart.auc:.2f} [{apart.low:.2f}, {apart.high:.2f}] "
        "(0.5 cannot tell, 1 always can)"
    )
    if phase is not None:
        _say_phase(phase)


def _say_phase(phase: "PhaseStudy") -> None:
    from phenostream.trainer.likeness.phase_page import phase_numbers, words

    numbers = phase_numbers(phase)
    say(
        f"optical path of one real cell from {len(phase.paths)} directions, and of drawn (SYNTHETIC) cells; medians"
    )
    say_table(
        ["quantity", *numbers],
        [(words(name), *(f"{numbers[pool][name]:.4g}" for pool in numbers))
         for name in numbers["real"]],
    )  # fmt: skip


def _cells(one: "Spread", digits: int) -> tuple[str, str]:
    return f"{one.median:.{digits}f}", f"{one.low:.{digits}f} to {one.high:.{digits}f}"
