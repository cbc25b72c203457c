"""`phenostream bench adapt`: what fitting to a site gains and loses, at planted sites and by their mix of classes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from phenostream.deploy.bundles import bundle_path
from phenostream.deploy.cli import bench_stage
from phenostream.deploy.cli.terminal import progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.trainer.adaptation.study import StudyRow

MIXES: Final = ((1 / 3, 1 / 3, 1 / 3), (0.30, 0.62, 0.08), (0.05, 0.90, 0.05))
"""Even, as in blood, and almost all granulocytes."""
_SEEDS: Final = (901, 902)
"""Of the cells to fit to, and of those to judge on."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the measurement's arguments."""
    bench_stage.declare_bundle(parser)
    parser.add_argument("--cells", type=int, default=400, help="white cells to fit to (default 400)")  # fmt: skip
    parser.add_argument("--objects", type=int, default=400, help="distinct objects a part (default 400)")  # fmt: skip
    parser.add_argument("--site", action="append", metavar="WORDS", help="only sites so named")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="for rendered objects")


def measure(args: argparse.Namespace) -> int:
    """Fit and judge, with a progress bar; then each row, and each method's gains and worst loss."""
    from phenostream.deploy.extras import need

    for package in ("torch", "scipy"):
        need(package, "trainer")
    from phenostream.deploy.bench.site_shifts import SITES, site_cells
    from phenostream.deploy.microscope import cache_folder
    from phenostream.engine.bundle import load_bundle
    from phenostream.trainer.adaptation.rivals import METHODS
    from phenostream.trainer.adaptation.study import SiteParts, study_site
    from phenostream.trainer.unfold import unfold

    _refuse(args)
    wanted = [site for site in SITES if any(word in site.name for word in args.site or [""])]
    if not wanted:
        raise BadConfig(f"--site {args.site[0]}: in none of {', '.join(s.name for s in SITES)}")
    checkpoint = unfold(load_bundle(bundle_path(args.bundle)))
    cache = args.cache or cache_folder()
    rows: list[StudyRow] = []
    crops = 3 * args.cells
    with progress(len(wanted) * len(MIXES) * len(METHODS), "bench adapt", "fit") as bar:
        for site in wanted:
            fit, judge = (site_cells(site, seed, args.objects, crops, cache) for seed in _SEEDS)
            parts = SiteParts(site.name, fit, judge)
            rows += study_site(checkpoint, parts, MIXES, args.cells, bar.update)
    if args.json:
        say_json({"box": bench_stage.box(), "rows": [row.model_dump(mode="json") for row in rows]})
        return 0
    bench_stage.say_box()
    _say(rows, args.cells)
    return 0


def _refuse(args: argparse.Namespace) -> None:
    for name, value, low, high in (
        ("cells", args.cells, 200, 3_000),
        ("objects", args.objects, 50, 10_000),
    ):
        if not low <= value <= high:
            raise BadConfig(f"--{name} {value}: out of range, allowed {low} to {high}")


def _say(rows: list["StudyRow"], cells: int) -> None:
    from phenostream.trainer.evaluation.report.wording import interval, signed, with_interval

    say(
        f"synthetic cells, preset hard: balanced accuracy on other cells of the same site, evenly mixed, after a fit "
        f"to {cells} white cells and {cells // 4} others; rejected white cells count as wrong"
    )
    say_table(
        ["site", "mix L/G/M", "method", "before", "after", "after - before", ""],
        [
            (
                row.site,
                "/".join(f"{share:.0%}".rstrip("%") for share in row.mix),
                row.method,
                with_interval(row.before),
                row.failed or with_interval(row.after),
                signed(row.difference.value if row.difference else None),
                interval(row.difference),
            )
            for row in rows
        ],
    )
    say()
    say_table(
        ["method", "mean gain", "worst loss", "where it is worst", "clear losses", "failed"],
        list(_summary(rows)),
    )


def _summary(rows: list["StudyRow"]) -> list[tuple[object, ...]]:
    """By method; a loss is clear where its whole interval is below 0."""
    from phenostream.trainer.adaptation.rivals import METHODS

    found: list[tuple[object, ...]] = []
    for method in METHODS:
        own = [row for row in rows if row.method == method]
        moved = [(row.difference.value, row) for row in own if row.difference is not None]
        if not moved:
            continue
        least, worst = min(moved, key=lambda one: one[0])
        clear = sum(
            1
            for row in own
            if row.difference is not None and row.difference.high is not None and row.difference.high < 0
        )  # fmt: skip
        where = f"{worst.site}, {'/'.join(f'{100 * share:.0f}' for share in worst.mix)}"
        mean = sum(value for value, _ in moved) / len(moved)
        found.append((method, f"{mean:+.3f}", f"{least:+.3f}", where, clear, len(own) - len(moved)))
    return found
