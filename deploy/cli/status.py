"""How a daemon is: its state and faults, every run's exact account, queues, model, journal, quarantine, endpoints.

Exit code 0: ready. 3: it answers, but is degraded, starting or draining. 1: nobody answers.

Examples:
  phenostream status
  phenostream status ipc:///tmp/phenostream/control --json
"""

import argparse
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from phenostream.deploy.cli.endpoints import CONTROL, add_keys, client_keys
from phenostream.deploy.cli.terminal import printable, say, say_json, say_table

_COUNTED: Final = (
    "received",
    "published",
    "dropped",
    "quarantined",
    "failed",
    "in_flight",
    "gaps",
    "missing",
)
_MESSAGES: Final = (
    "duplicates",
    "late",
    "malformed",
    "refused",
    "unstarted",
    "restarts",
    "shots_repeated",
    "shots_late",
)
_ALARMS_SHOWN: Final = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "url",
        nargs="?",
        default=CONTROL,
        metavar="URL",
        help=f"control endpoint (default {CONTROL})",
    )
    add_keys(parser)
    parser.add_argument("--json", action="store_true", help="all of it as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Ask once and print; the exit code says whether the daemon is ready."""
    from phenostream.daemon.client.control import Control

    with Control(args.url, keys=client_keys(args)) as control:
        status = control.status()
    if args.json:
        say_json(status)
    else:
        for name, text in _lines(status):
            say(f"{name:10}  {printable(text)}")
        _say_ledger(status.get("ledger", {}))
    return 0 if status.get("state") == "ready" else 3


def _lines(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and text of everything but the ledger."""
    yield "state", f"{status.get('state')}, up {status.get('uptime_s', 0):,.0f} s"
    for name, reason in status.get("faults", {}).items():
        past = status.get("fault_history", {}).get(name, {})
        since = (
            f" (for {past.get('for_s', 0):,.0f} s, {past.get('count')} times so far)"
            if past
            else ""
        )
        yield "FAULT", f"{name}: {reason}{since}"
    model = status.get("model", {})
    who = [str(model.get(key, "?")) for key in ("backend", "device", "precision")]
    said = "" if model.get("calibrated", True) else ", uncalibrated"
    if "signed_by" in model:
        said += f", signed by {model['signed_by']}" if model["signed_by"] else ", unsigned"
    yield "model", f"{model.get('name')} {model.get('version')} on {' '.join(who)}{said}"
    if status.get("engine_choice"):
        yield "because", str(status["engine_choice"])
    simulated = [kind for kind in ("model", "source") if status.get(f"{kind}_synthetic")]
    if simulated:
        yield "synthetic", f"{' and '.join(simulated)}: these results say nothing about blood"
    journal = status.get("journal", {})
    newest = journal.get("newest")
    held = "empty" if newest is None else f"offsets {journal.get('oldest')} to {newest}"
    yield "journal", held
    for loss in journal.get("losses", ()):
        yield "LOST", _lost(loss)
    waiting = [f"{key} {n}" for key, n in status.get("queues", {}).items()]
    assembling = status.get("assembling", {})
    shots = (
        f"{assembling.get('frames', 0)} frames wait for shots ({assembling.get('bytes', 0)} bytes)"
    )
    yield "queues", ", ".join([*waiting, shots])
    times = _times(status)
    if times:
        yield "times", times
    kept = [f"{n} {key.replace('_', ' ')}" for key, n in status.get("quarantine", {}).items()]
    yield "quarantine", ", ".join(kept)
    guard = status.get("security", {})
    if guard.get("keys"):
        told = [f"{guard[key]} {key}" for key in ("allowed", "refused", "reloads") if key in guard]
        yield "keys", ", ".join(told)
    if status.get("summariser"):
        yield "summariser", _summariser(status["summariser"])
    for name, told in status.get("drift", {}).get("instruments", {}).items():
        for one in told.get("against", ()):
            if one.get("alarms"):
                yield "DRIFT", f"{name}: {_drifted(one)}"
    for name, endpoint in status.get("endpoints", {}).items():
        yield (
            name,
            f"{endpoint}{_openness(str(endpoint)) if name in guard.get('plain', ()) else ''}",
        )
    for name, source in status.get("sources", {}).items():
        yield "source", f"{name}: " + ", ".join(f"{key} {value}" for key, value in source.items())


def _summariser(told: Mapping[str, Any]) -> str:
    """Who words summaries, and how that goes."""
    from phenostream.deploy.language_models.catalogue import known_as

    if told.get("heard_s") is None:
        return "none heard of: summaries have the template's words"
    llm = told.get("llm")
    who = f"{known_as(llm)} by {llm.get('binding')}" if llm else "no language model"
    last = told.get("last_seconds")
    took = f" ({last:.1f} s the last)" if last is not None else ""
    counts = f"{told.get('worded')} worded{took}, " + ", ".join(
        f"{told.get(key)} {key}" for key in ("skipped", "unworded", "refused")
    )
    why = f"; {told['reason']}" if told.get("reason") else ""
    return f"{who}, heard of {told['heard_s']:,.0f} s ago: {counts}{why}"


def _drifted(one: Mapping[str, Any]) -> str:
    """What of an instrument's newest run has drifted from one population."""
    alarms, other = one["alarms"], str(one.get("against")).replace("_", " ")
    more = f" and {len(alarms) - _ALARMS_SHOWN} more" if len(alarms) > _ALARMS_SHOWN else ""
    named = ", ".join(map(str, alarms[:_ALARMS_SHOWN]))
    return f"away from its {other}: {named}{more} (docs/drift.md)"


def _times(status: Mapping[str, Any]) -> str:
    """How long frames took since the daemon began, and where that time went; empty before the first."""
    from phenostream.deploy.top.reading import STAGES, Readings

    readings = Readings(0.0)
    readings.add(status)
    total = readings.times("stages", STAGES[-1])
    if not total.count:
        return ""
    means = ", ".join(
        f"{name} {1e3 * readings.times('stages', name).mean_s:.3g}" for name in STAGES[:-1]
    )
    bound = "more than 10 s" if math.isinf(total.p99_s) else f"{1e3 * total.p99_s:g} ms or less"
    return f"a frame {1e3 * total.mean_s:.3g} ms ({means}); 99 of 100 {bound}"


def _lost(loss: Mapping[str, Any]) -> str:
    """Which offsets the journal has lost, and where."""
    first, last = loss.get("first"), loss.get("end", 0) - 1
    which = f"offset {first}" if first == last else f"offsets {first} to {last}"
    return f"{which}, from byte {loss.get('byte')} of {loss.get('path')}"


def _openness(endpoint: str) -> str:
    """Who may use a tcp endpoint that asks for no key."""
    from phenostream.daemon.endpoint import is_local

    who = "every user of the box" if is_local(endpoint) else "whoever reaches it"
    return f", PLAIN: unencrypted, open to {who}"


def _say_ledger(ledger: Mapping[str, Any]) -> None:
    runs: Mapping[str, Mapping[str, int]] = ledger.get("runs", {})
    total: Mapping[str, int] = ledger.get("total", {})
    say()
    ended = ledger.get("ended", ())
    rows = [
        (name, "ended" if name in ended else "open", *_row(account))
        for name, account in runs.items()
    ]
    rows.append(("all runs", "-", *_row(total)))
    say_table(
        ["run", "is", *_COUNTED, "announced", "messages that became no frame, and reasons"], rows
    )
    if any("recovered" in account for account in runs.values()):
        say(
            "recovered: an earlier process began the run; its messages are counted since this one began"
        )


def _row(account: Mapping[str, int]) -> Iterator[object]:
    for key in _COUNTED:
        yield account.get(key, 0)
    yield account.get("announced", "-")
    reasons = [key for key in account if "." in key]
    told = [f"{account[key]} {key}" for key in [*_MESSAGES, *reasons] if account.get(key)]
    yield ", ".join([*told, *(["recovered"] if "recovered" in account else [])]) or "-"
