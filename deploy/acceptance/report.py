"""What an acceptance found, as JSON for programs and as Markdown for people: the same figures in both."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phenostream.deploy.acceptance.examination import Outcome
from phenostream.engine.backends.driver import DeviceFacts
from phenostream.engine.errors import BadInput

_HEAD = (
    "| backend | verdict | first load s | next load s | golden difference | odd batches | best cells/s (batch) "
    "| lone cell p50 / p99 ms | device memory MiB | grown / kept MiB | spoilt plan |"
)


@dataclass(frozen=True, slots=True)
class Report:
    """One acceptance.

    Attributes:
        utc: When it began, ISO 8601.
        version: Of phenostream.
        card: The GPU.
        box: CPU, memory, versions.
        model: Identity of the bundle.
        outcomes: Of every backend and precision.
    """

    utc: str
    version: str
    card: DeviceFacts
    box: dict[str, Any]
    model: str
    outcomes: Sequence[Outcome]

    @property
    def passed(self) -> bool:
        """Something passed, and nothing failed; what was refused or is not possible here does not count."""
        verdicts = {outcome.verdict for outcome in self.outcomes}
        return "passed" in verdicts and "failed" not in verdicts

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "passed": self.passed}

    def in_markdown(self) -> str:
        """For people."""
        versions = ", ".join(f"{name} {number}" for name, number in self.box["versions"].items())
        lines = [
            f"# GPU acceptance: {'passed' if self.passed else 'NOT PASSED'}",
            "",
            f"{self.utc}, phenostream {self.version}, model {self.model}.",
            f"GPU: {self.card.name}, compute capability {self.card.compute_capability}, driver "
            f"{self.card.driver_version}, {self.card.memory_bytes / 2**30:.1f} GiB.",
            f"Box: {self.box['cpu']}, {self.box['cores']} cores, load {self.box['load_1min']}; {versions}.",
            "",
            _HEAD,
            "|" + "---|" * (_HEAD.count("|") - 1),
            *map(_row, self.outcomes),
            "",
        ]
        for outcome in self.outcomes:
            name = f"{outcome.backend} {outcome.precision}"
            lines += [f"- {name}: {outcome.verdict}: {reason}" for reason in outcome.reasons]
            if outcome.cells_per_s:
                rates = ", ".join(
                    f"{batch}: {rate:,.0f}" for batch, rate in outcome.cells_per_s.items()
                )
                lines.append(f"- {name}: cells/s by batch: {rates}")
        return "\n".join([*lines, ""])


def write_report(folder: Path, report: Report) -> tuple[Path, Path]:
    """Write both; returns their paths.

    Raises:
        BadInput: A file cannot be written.
    """
    pages = (
        (folder / "gpu-acceptance.md", report.in_markdown()),
        (folder / "gpu-acceptance.json", json.dumps(report.as_dict(), indent=1, allow_nan=False)),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in pages:
            path.write_text(text, encoding="utf-8")
    except OSError as err:
        raise BadInput(f"{folder}: {err.strerror}") from err
    return pages[0][0], pages[1][0]


def _row(one: Outcome) -> str:
    best = max(one.cells_per_s.items(), key=lambda pair: pair[1], default=None)
    cells = (
        f"{one.backend} {one.precision}",
        one.verdict,
        _shown(one.first_load_s),
        _shown(one.next_load_s),
        _shown(one.golden, ".1e"),
        _shown(one.odd_batches, ".1e"),
        "-" if best is None else f"{best[1]:,.0f} ({best[0]})",
        f"{_shown(one.lone_p50_ms)} / {_shown(one.lone_p99_ms)}",
        _mib(one.memory_bytes),
        f"{_mib(one.grown_bytes)} / {_mib(one.kept_bytes)}",
        {None: "-", True: "found", False: "NOT FOUND"}[one.spoilt],
    )
    return "| " + " | ".join(cells) + " |"


def _shown(value: float | None, form: str = "g") -> str:
    return "-" if value is None else format(value, form)


def _mib(value: int | None) -> str:
    return "-" if value is None else f"{value / 2**20:,.0f}"
