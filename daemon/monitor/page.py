"""The status page: what `phenostream status` says, for a browser; plain HTML that reloads itself every five seconds.

Everything that is shown was said by the daemon or by a source, so all of it is escaped; no script, nothing is fetched.
"""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, Final

from phenostream.daemon.monitor.inquiry import Answer
from phenostream.daemon.monitor.readiness import why_not_ready
from phenostream.daemon.monitor.reading import find, number, rows, table, tables

_RUNS_SHOWN: Final = 16
_COUNTED: Final = (
    "received",
    "published",
    "dropped",
    "quarantined",
    "failed",
    "in_flight",
    "missing",
)
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1a1f24}"
    "h1{font-size:1.4rem}h2{font-size:1.05rem;margin-top:1.6rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2rem .8rem .2rem 0;"
    "border-bottom:1px solid #dde2e6;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    ".good{color:#0a6b2d}.bad{color:#b00020}footer{margin-top:2rem;color:#5a646d}"
)
_NOTICE: Final = "Research use only; not a diagnosis."


def page(answer: Answer) -> bytes:
    """The whole page, UTF-8."""
    status = answer.told
    why = why_not_ready(status, answer.why)
    state = str(find(status, "state") or "no answer")
    colour = "good" if state == "ready" else "bad"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5>",
        f"<title>phenostream: {escape(state)}</title><style>{_STYLE}</style>",
        f"<h1>phenostream: <span class={colour}>{escape(state)}</span></h1>",
        f"<p class=bad>frames are not served: {escape(why)}</p>" if why else "",
        *(_told(status) if status is not None else ()),
        f"<footer>{_NOTICE} <a href=/metrics>metrics</a></footer></html>",
    ]
    return "\n".join(part for part in parts if part).encode()


def _told(status: Mapping[str, Any]) -> Iterator[str]:
    yield _pairs(_facts(status))
    yield "<h2>Frames</h2>"
    yield _accounts(status)
    engines = [
        (row.get("backend"), row.get("state"), row.get("reason") or "")
        for row in tables(status, "inference", "backends")
    ]
    if engines:
        yield "<h2>Engines</h2>"
        yield _grid(("backend", "state", "why"), engines)


def _facts(status: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, reason in table(status, "faults").items():
        yield f"fault: {name}", reason
    yield "up", f"{number(status, 'uptime_s') or 0:,.0f} s"
    model = table(status, "model")
    yield "model", " ".join(str(model.get(key, "?")) for key in ("name", "version"))
    yield "on", " ".join(str(model.get(key, "?")) for key in ("backend", "device", "precision"))
    simulated = [kind for kind in ("model", "source") if status.get(f"{kind}_synthetic")]
    if simulated:
        yield "synthetic", f"{' and '.join(simulated)}: these results say nothing about blood"
    yield "waiting", ", ".join(f"{n} {name}" for name, n in table(status, "queues").items())
    journal = table(status, "journal")
    yield "journal", f"offsets {journal.get('oldest')} to {journal.get('newest')}"
    yield "quarantine", ", ".join(f"{n} {name}" for name, n in table(status, "quarantine").items())
    if find(status, "summariser", "heard_s") is not None:
        told = table(status, "summariser")
        counts = ", ".join(
            f"{told.get(k)} {k}" for k in ("worded", "skipped", "unworded", "refused")
        )
        yield "summariser", f"{find(told, 'llm', 'name') or 'no language model'}: {counts}"


def _accounts(status: Mapping[str, Any]) -> str:
    ended = set(map(str, rows(status, "ledger", "ended")))
    latest = list(table(status, "ledger", "runs").items())[-_RUNS_SHOWN:]
    accounts = [(run, "ended" if run in ended else "open", account) for run, account in latest]
    accounts.append(("all runs", "", table(status, "ledger", "total")))
    return _grid(
        ("run", "is", *_COUNTED),
        (
            (run, state, *(find(account, key) for key in _COUNTED))
            for run, state, account in accounts
        ),
    )


def _pairs(facts: Iterable[tuple[str, object]]) -> str:
    return "".join(
        [
            "<table>",
            *(f"<tr><th>{escape(name)}<td>{escape(str(value))}" for name, value in facts),
            "</table>",
        ]
    )


def _grid(headers: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    body = "".join("<tr>" + "".join(map(_cell, line)) for line in lines)
    return f"<table><tr>{''.join(f'<th>{escape(name)}' for name in headers)}{body}</table>"


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"<td class=n>{value:,}"
    return f"<td>{escape(str(value))}"
