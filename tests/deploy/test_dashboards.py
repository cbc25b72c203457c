"""Alerts and dashboard read only metrics and labels that exist; every alert, fault and exit code has its entry."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from phenostream.daemon.monitor.exposition import exposition
from phenostream.daemon.monitor.inquiry import Answer
from phenostream.daemon.monitor.site import Site
from phenostream.deploy.cli.main import BAD_USAGE, DEGRADED, FAILED, GOOD, TERMINATED
from tests.daemon.monitor.told import STATUS
from tests.deploy.promql import found_promtool, labels_in, metrics_in

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/dashboards"
ALERTS = FOLDER / "alerts.yml"
BOARD = FOLDER / "phenostream.grafana.json"
RUNBOOK = ROOT / "docs/operate.md"
OF_PROMETHEUS = {"up"}
"""What Prometheus adds by itself."""
TARGET = {"job", "instance"}
"""Labels that it adds."""


def _series() -> dict[str, set[str]]:
    """Every series there is, with its labels."""
    site = Site(True, {"200": 1}, {"sent": 1, "lost": 1})
    text = exposition(Answer(STATUS, "", 0.1), site).decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def _rules() -> list[dict[str, Any]]:
    told = yaml.safe_load(ALERTS.read_text())
    return [rule for group in told["groups"] for rule in group["rules"]]


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(BOARD.read_text())["panels"]
    return panels


def _expressions() -> Iterator[tuple[str, str]]:
    for rule in _rules():
        yield rule["alert"], rule["expr"]
    for panel in _panels():
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def _headings() -> set[str]:
    """Anchors of the runbook, as they are made of headings."""
    titles = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def _faults() -> set[str]:
    """Every name under which the daemon's code reports a fault; what is no constant is a failure of this test."""
    names = set()
    for path in (ROOT / "daemon").rglob("*.py"):
        tree = ast.parse(path.read_text())
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.AnnAssign | ast.Assign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant)
        }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            named = [call.func, *call.args]  # degrade(NAME, why), or partial(health.degrade, NAME)
            for place, one in enumerate(named[:-1]):
                if isinstance(one, ast.Attribute) and one.attr == "degrade":
                    name = named[place + 1]
                    if isinstance(name, ast.Constant):
                        names.add(str(name.value))
                    else:
                        assert isinstance(name, ast.Name), f"{path}:{call.lineno}"
                        names.add(str(constants[name.id]))
    return names


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ('rate(a_total{x="b_c"}[5m]) > 0.5e3', {"a_total"}, {("a_total", "x")}),
        ("sum by (instance, le) (rate(a_bucket[5m])) / on (instance) b", {"a_bucket", "b"}, set()),
        ("a and on (i) b unless c offset 5m", {"a", "b", "c"}, set()),
        ('a{x=~"b|c", y!="}"} or b{z=\'q\'}', {"a", "b"}, {("a", "x"), ("a", "y"), ("b", "z")}),
        ("histogram_quantile (0.99, a_bucket)", {"a_bucket"}, set()),
        ("rate(a_total[$__rate_interval]) * 1e-3", {"a_total"}, set()),
    ],
)  # fmt: skip
def test_the_reader_of_expressions_sees_metrics(
    expression: str, metrics: set[str], labels: set[tuple[str, str]]
) -> None:
    assert metrics_in(expression) == metrics
    assert labels_in(expression) == labels


def test_every_expression_reads_what_exists() -> None:
    series = _series()
    for where, expression in _expressions():
        for name in metrics_in(expression) - OF_PROMETHEUS:
            assert name in series, f"{where}: {expression}"
        for name, label in labels_in(expression):
            known = series.get(name, set()) | TARGET
            assert label in known, f"{where}: {name} has no {label}"


def test_the_reader_would_notice_a_wrong_name() -> None:
    series = _series()
    assert not metrics_in('phenostream_frame_total{fate="failed"}') <= set(series)


def test_every_alert_says_how_bad_it_is_and_where_to_read_on() -> None:
    names = [rule["alert"] for rule in _rules()]
    assert len(set(names)) == len(names)
    for rule in _rules():
        name = rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), name
        assert rule["annotations"]["runbook"] == f"docs/operate.md#{name.lower()}"
        assert rule["annotations"]["summary"].startswith("{{ $labels.instance }}: "), name


def test_every_alert_has_its_entry_and_every_entry_its_alert() -> None:
    entries = {heading for heading in _headings() if heading.startswith("phenostream")}
    assert entries == {rule["alert"].lower() for rule in _rules()}


def test_every_fault_has_an_alert_and_an_entry() -> None:
    told = " ".join(rule["expr"] for rule in _rules())
    watched = {
        name for names in re.findall(r'fault=~?"([^"]+)"', told) for name in names.split("|")
    }
    assert watched == _faults()
    text = RUNBOOK.read_text()
    for name in watched:
        assert f"`{name}`" in text


def test_every_exit_code_has_an_entry() -> None:
    codes = {GOOD, FAILED, BAD_USAGE, DEGRADED, TERMINATED}
    told = {int(code) for code in re.findall(r"^### Exit code (\d+)", RUNBOOK.read_text(), re.M)}
    assert told == codes


def test_the_board_is_one_that_grafana_reads() -> None:
    board = json.loads(BOARD.read_text())
    variables = {one["name"] for one in board["templating"]["list"]}
    assert variables == {"datasource", "instance"}
    panels = _panels()
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["type"] in ("row", "stat", "timeseries", "table", "bargauge")
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["datasource"]["uid"] == "${datasource}"
            used = re.findall(r"\$\{?(\w+)", "".join(t["expr"] for t in panel["targets"]))
            assert set(used) <= {*variables, "__rate_interval"}


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in _panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells


def test_promtool_takes_the_rules() -> None:
    promtool = found_promtool()
    if promtool is None:
        pytest.skip(
            "promtool is not installed (Debian: prometheus): the rules were read by tests/deploy/promql.py alone"
        )
    done = subprocess.run(
        [promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
