"""One frame of the terminal view, made to fit 80 columns and 24 lines; what strangers wrote in it moves no cursor.

The only module, with `screen`, that knows rich. Everything shown comes from a status and what `reading` makes of it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from phenostream.daemon.monitor.reading import rows, table, tables
from phenostream.deploy.cli.record_lines import short_run
from phenostream.deploy.cli.terminal import printable
from phenostream.deploy.top import figures
from phenostream.deploy.top.reading import STAGES, Readings, Times, Told
from phenostream.deploy.top.watch import Shown

_COLOURS: Final = {"ready": "green", "degraded": "red", "starting": "yellow", "draining": "yellow"}
_MOST_SOURCES: Final = 2
_MOST_FAULTS: Final = 2
_SUMMARY_LINES: Final = 3
_FLOW_LINES: Final = 2 + len(STAGES)
_ONLY_IF_ANY: Final = ("over limit", "failed")
_Column = tuple[str, JustifyMethod, int]
"""Heading, where its text stands, and how wide it is."""
_OF_STAGES: Final[tuple[_Column, ...]] = (
    ("stage", "left", 9),
    ("mean ms", "right", 8),
    ("p50 ≤", "right", 6),
    ("p99 ≤", "right", 6),
)
_OF_CELLS: Final[tuple[_Column, ...]] = (
    ("cells found", "left", 12),
    ("", "left", figures.BAR),
    ("now", "right", 7),
    ("ever", "right", 7),
)
_OF_RUNS: Final[tuple[_Column, ...]] = (
    ("open run", "left", 8),
    ("instrument", "left", 12),
    ("published", "right", 13),
)
HEIGHT: Final = 24
"""Lines that every terminal has."""


def picture(shown: Shown, width: int = 80) -> RenderableType:
    """All of it, for a terminal of `width` columns."""
    status = shown.readings.newest
    above = [_head(shown, width), *_what_serves(status)]
    cells = _cells(shown.readings)
    room = HEIGHT - len(above) - _FLOW_LINES - (1 + cells.row_count) - 1
    gaps = max(0, min(2, room - _SUMMARY_LINES))
    return Group(
        *above,
        *[Text()] * (gaps > 0),
        _beside(_flow(shown.readings), _stages(shown.readings), width),
        *[Text()] * (gaps > 1),
        _beside(cells, _beyond(shown, cells.row_count), width),
        _account(status),
        *_summary(status, min(_SUMMARY_LINES, room - gaps), width),
    )


def _head(shown: Shown, width: int) -> Text:
    """State and uptime at the left, the address at the right, in the colour of the state."""
    status = shown.readings.newest
    state = printable(str(status.get("state", "asked")))
    said = (
        f" phenostream  {state.upper()}  up {figures.duration(float(status.get('uptime_s', 0)))} "
    )
    colour = _COLOURS.get(state, "white")
    if shown.away_s is not None:
        said = f" phenostream  NO ANSWER for {figures.duration(shown.away_s)}; below, what it said last "
        colour = "red"
    address = printable(shown.url)[-max(1, width - len(said) - 1) :]
    line = Text(said + address.rjust(width - len(said)), style=f"black on {colour}")
    line.truncate(width, pad=True)
    return line


def _what_serves(status: Told) -> Iterator[Text]:
    """The model, what is simulated, and the open faults or that there is none."""
    model = table(status, "model")
    who = " ".join(str(model.get(key, "?")) for key in ("backend", "device", "precision"))
    simulated = [kind for kind in ("model", "source") if status.get(f"{kind}_synthetic")]
    doubts = [f"SYNTHETIC {' and '.join(simulated)}"] if simulated else []
    doubts += [] if model.get("calibrated", True) else ["uncalibrated"]
    line = Text(" ", no_wrap=True, overflow="ellipsis")
    line.append("".join(f"{one}: " for one in doubts), style="yellow")
    line.append(printable(f"{model.get('name', '?')} {model.get('version', '')} on {who}"))
    yield line
    faults = table(status, "faults")
    for name, reason in list(faults.items())[:_MOST_FAULTS]:
        yield _line(" FAULT ", f"{name}: {reason}", style="bold red")
    if len(faults) > _MOST_FAULTS:
        rest = ", ".join(list(faults)[_MOST_FAULTS:])
        yield _line(" FAULT ", f"and {len(faults) - _MOST_FAULTS} more: {rest}", style="bold red")
    if status and not faults:
        yield _line(" ", "no fault is open", style="dim")
    drifts = list(_drifts(status))
    if drifts:
        yield _line(" DRIFT ", "; ".join(drifts), style="yellow")


def _drifts(status: Told) -> Iterator[str]:
    """Of each instrument the quantities with an open alarm, by what they drifted from."""
    instruments = table(status, "drift", "instruments")
    for name in instruments:
        for standing in tables(instruments, name, "against"):
            alarms = [str(one) for one in rows(standing, "alarms")]
            if alarms:
                yield f"{name} from {standing.get('against')}: {', '.join(alarms)}"


def _flow(readings: Readings) -> Table:
    """How much goes through, and what waits where."""
    rates, status = readings.rates(), readings.newest
    grid = _table((f"over {readings.over_s:.0f} s", "left", 15), ("", "right", 9))
    _row(grid, "frames/s", figures.number(rates.frames))
    _row(grid, "cells/s", figures.number(rates.cells))
    _row(grid, "journal KiB/s", figures.number(rates.journal_bytes / 1024))
    queues = table(status, "queues")
    for name in ("frames", "batches", "entries"):
        _row(grid, f"{name} queued", figures.count(queues.get(name)))
    credit = table(status, "meters", "credit")
    _row(grid, "unacknowledged", figures.mebibytes(credit.get("outstanding_bytes")))
    return grid


def _stages(readings: Readings) -> Table:
    """Where the time of a frame goes: exact means, and bounds that half and 99 of 100 kept."""
    grid = _table(*_OF_STAGES)
    for stage in STAGES:
        style = "bold" if stage == "total" else ""
        _row(grid, stage, *_times(readings.times("stages", stage)), style=style)
    _row(grid, "fdatasync", *_times(readings.times("commit", "fdatasync")), style="dim")
    return grid


def _cells(readings: Readings) -> Table:
    """Shares of the cells found, lately and since the daemon began."""
    grid = _table(*_OF_CELLS, gap=1)
    for share in readings.shares():
        if share.name in _ONLY_IF_ANY and not share.all_along > 0:
            continue
        shown = (
            figures.bar(share.lately),
            figures.percent(share.lately),
            figures.percent(share.all_along),
        )
        _row(grid, printable(share.name), *shown)
    return grid


def _beyond(shown: Shown, most: int) -> RenderableType:
    """The open runs that were heard last, the sources that are not answered, and who words summaries: `most` rows."""
    status = shown.readings.newest
    lines = [*_sources(status), *_words(status)]
    grid = _table(*_OF_RUNS)
    for run in list(shown.runs)[::-1][: max(1, most - len(lines))]:
        counts = table(run, "counts")
        of = f"{figures.count(counts.get('published'))}/{figures.count(counts.get('received'))}"
        name, instrument = short_run(run.get("run")), str(run.get("instrument"))
        _row(grid, printable(name), printable(instrument), of)
    if not shown.runs:
        _row(grid, "none", style="dim")
    return Group(grid, *lines)


def _sources(status: Told) -> Iterator[Text]:
    """Best-effort sources, the first of them."""
    sources = table(status, "sources")
    for name in list(sources)[:_MOST_SOURCES]:
        told = table(sources, name)
        said = f"{figures.count(told.get('messages'))} messages, {figures.count(told.get('malformed'))} malformed"
        yield _line("", f"source {name}: {said}")


def _words(status: Told) -> Iterator[Text]:
    """Who words summaries; nothing where no summariser was ever heard of."""
    told = table(status, "summariser")
    if told.get("heard_s") is None:
        return
    who = table(told, "llm").get("name") or "no language model"
    counts = ", ".join(f"{figures.count(told.get(key))} {key}" for key in ("worded", "refused"))
    yield _line("", f"words of {who}: {counts}")


def _account(status: Told) -> Text:
    """What became of every frame since this journal began; losses in red."""
    total = table(status, "ledger", "total")
    line = Text(" since this journal began: ", style="dim", no_wrap=True, overflow="ellipsis")
    for key in ("received", "published"):
        line.append(f"{figures.count(total.get(key, 0))} {key}  ", style="not dim")
    for key in ("quarantined", "failed", "dropped", "missing"):
        if total.get(key):
            line.append(f"{figures.count(total[key])} {key}  ", style="bold red not dim")
    return line


def _summary(status: Told, most_lines: int, width: int) -> Iterator[Text]:
    """The newest summary, as much of it as there is room for."""
    if most_lines < 1:
        return
    newest: Any = status.get("newest_summary")
    if not isinstance(newest, Mapping):
        yield _line(" ", "no summary yet", style="dim")
        return
    who = f"{newest.get('scope')} of {newest.get('instrument')} {short_run(newest.get('run'))}: "
    text = Text(printable(who), style="dim")
    text.append(printable(str(newest.get("text"))), style="not dim")
    lines = list(text.wrap(Console(width=width), width - 2))
    if len(lines) > most_lines:
        lines = lines[:most_lines]
        lines[-1].truncate(width - 3)
        lines[-1].append("…")
    yield from (Text.assemble(" ", line) for line in lines)


def _times(times: Times) -> tuple[str, str, str]:
    return (
        figures.number(1e3 * times.mean_s),
        figures.bound(times.p50_s),
        figures.bound(times.p99_s),
    )


def _line(lead: str, text: str, style: str = "") -> Text:
    """One line that is cut where it is too long."""
    return Text(lead + printable(text), style=style, no_wrap=True, overflow="ellipsis")


def _row(grid: Table, *cells: str, style: str = "") -> None:
    """Cells as they are: none of them is markup."""
    grid.add_row(*(Text(cell) for cell in cells), style=style)


def _table(*columns: _Column, gap: int = 2) -> Table:
    """Without lines, `gap` between columns."""
    grid = Table(box=None, pad_edge=False, show_edge=False, padding=(0, gap, 0, 0))
    for heading, justify, width in columns:
        grid.add_column(heading, justify=justify, header_style="dim", no_wrap=True, width=width)
    return grid


def _beside(left: RenderableType, right: RenderableType, width: int) -> Table:
    grid = Table.grid(padding=0)
    grid.add_column(width=width // 2)
    grid.add_column(width=width - width // 2 - 1)
    grid.add_row(Padding(left, (0, 0, 0, 1)), right)
    return grid
