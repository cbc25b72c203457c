"""Each alert fires when what it is named for happens, and none while all is well: Prometheus' own judgement."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.promql import found_promtool

ALERTS = Path(__file__).parents[2] / "deploy/dashboards/alerts.yml"
Series = dict[str, str]
WELL: Series = {
    "up": "1x90",
    "phenostream_up": "1x90",
    "phenostream_ready": "1x90",
    "phenostream_uptime_seconds": "0+60x90",
    'phenostream_fault{fault="engine"}': "0x90",
    'phenostream_frames_total{fate="published"}': "0+600x90",
    'phenostream_frames_total{fate="failed"}': "0x90",
    'phenostream_frames_total{fate="quarantined"}': "3x90",
    "phenostream_frames_missing_total": "1x90",
    "phenostream_quarantine_not_kept_total": "0x90",
    "phenostream_quarantine_removed_total": "0x90",
    'phenostream_disk_free_bytes{folder="journal"}': "500-0.1x90",
    'phenostream_disk_size_bytes{folder="journal"}': "1000x90",
    'phenostream_stage_seconds_bucket{stage="total",le="5"}': "0+600x90",
    'phenostream_stage_seconds_bucket{stage="total",le="10"}': "0+600x90",
    'phenostream_stage_seconds_bucket{stage="total",le="+Inf"}': "0+600x90",
    'phenostream_journal_sync_seconds_bucket{le="0.2"}': "0+100x90",
    'phenostream_journal_sync_seconds_bucket{le="+Inf"}': "0+100x90",
    "phenostream_cells_unusual_total": "0+60x90",
    'phenostream_cells_by_class_total{class="a"}': "0+3000x90",
    'phenostream_cells_by_class_total{class="b"}': "0+3000x90",
    'phenostream_drift_alarms{against="training",quantity="rejected"}': "0x90",
    "phenostream_keys_refused_total": "0+1x90",
    'phenostream_connections_shut_down_total{socket="ingest",why="removed"}': "0+1x90",
    "phenostream_summariser_wanted": "1x90",
    "phenostream_summariser_silence_seconds": "9x90",
    'phenostream_synthetic{of="model"}': "0x90",
}
"""One value a minute of a daemon that is well, for an hour and a half."""
CASES: dict[str, Series] = {
    "PhenostreamMonitorDown": {"up": "0x90"},
    "PhenostreamDown": {"phenostream_up": "0x90"},
    "PhenostreamNotReady": {"phenostream_ready": "0x90"},
    "PhenostreamRestarting": {"phenostream_uptime_seconds": "1000x77 9 5 7 5 8 6 4 2 1 1 1 1"},
    "PhenostreamJournalFull": {'phenostream_fault{fault="journal"}': "1x90"},
    "PhenostreamJournalDamaged": {'phenostream_fault{fault="journal_forgotten"}': "1x90"},
    "PhenostreamClock": {'phenostream_fault{fault="clock"}': "1x90"},
    "PhenostreamTracesLost": {'phenostream_trace_spans_total{fate="lost"}': "0+6x90"},
    "PhenostreamJournalKeeping": {'phenostream_fault{fault="journal_keeping"}': "1x90"},
    "PhenostreamStalled": {'phenostream_fault{fault="stalled"}': "0x88 1 _"},  # and was ended
    "PhenostreamOnFallback": {'phenostream_fault{fault="engine"}': "1x90"},
    "PhenostreamCellsFail": {'phenostream_fault{fault="cells"}': "1x90"},
    "PhenostreamDescriptors": {'phenostream_fault{fault="descriptors"}': "1x90"},
    "PhenostreamAllowList": {'phenostream_fault{fault="allow_list"}': "1x90"},
    "PhenostreamFramesFail": {'phenostream_frames_total{fate="failed"}': "0x85 1x5"},
    "PhenostreamFramesQuarantined": {'phenostream_frames_total{fate="quarantined"}': "3x85 4x5"},
    "PhenostreamFramesMissing": {"phenostream_frames_missing_total": "1x85 2x5"},
    "PhenostreamQuarantineNotKept": {"phenostream_quarantine_removed_total": "0x85 1x5"},
    "PhenostreamDiskLow": {'phenostream_disk_free_bytes{folder="journal"}': "90x90"},
    "PhenostreamDiskFullSoon": {'phenostream_disk_free_bytes{folder="journal"}': "500-2x90"},
    "PhenostreamSlow": {'phenostream_stage_seconds_bucket{stage="total",le="5"}': "0+300x90"},
    "PhenostreamDiskSlow": {'phenostream_journal_sync_seconds_bucket{le="0.2"}': "0+50x90",
                            'phenostream_journal_sync_seconds_bucket{le="0.5"}': "0+100x90"},
    "PhenostreamUnusualCells": {"phenostream_cells_unusual_total": "0+900x90"},
    "PhenostreamDrift": {'phenostream_drift_alarms{against="training",quantity="rejected"}': "1x90"},
    "PhenostreamKeysRefused": {"phenostream_keys_refused_total": "0+10x90"},
    "PhenostreamConnectionsShutDown": {
        'phenostream_connections_shut_down_total{socket="ingest",why="over_cap"}': "0x85 2x5"
    },
    "PhenostreamSummariserSilent": {"phenostream_summariser_silence_seconds": "0+60x90"},
    "PhenostreamSynthetic": {'phenostream_synthetic{of="model"}': "1x90"},
}  # fmt: skip


def _with_target(series: str) -> str:
    """As Prometheus stores it: with the target's labels."""
    name, _, inside = series.partition("{")
    labels = ['job="phenostream"', 'instance="box"', *([inside[:-1]] if inside else [])]
    return f"{name}{{{','.join(labels)}}}"


def _group(name: str, series: Series, firing: str, count: int) -> dict[str, Any]:
    """How many alerts of a name fire after an hour and a half."""
    expression = f'count(ALERTS{{alertstate="firing",alertname=~"{firing}"}}) or vector(0)'
    return {
        "name": name,
        "interval": "1m",
        "input_series": [
            {"series": _with_target(one), "values": values} for one, values in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": expression,
                "eval_time": "90m",
                "exp_samples": [{"labels": "{}", "value": count}],
            }
        ],
    }


def _groups() -> Iterator[dict[str, Any]]:
    yield _group("all is well", WELL, ".*", 0)
    for alert, series in CASES.items():
        yield _group(alert, WELL | series, alert, 1)
    mute = {name: values for name, values in WELL.items() if "silence" not in name}
    silent = "PhenostreamSummariserSilent"
    yield _group("a summariser that never spoke", mute, silent, 1)
    unwanted = mute | {"phenostream_summariser_wanted": "0x90"}
    yield _group("a summariser that nobody wants", unwanted, ".*", 0)


@pytest.mark.timeout(300)  # ten seconds of a quiet core
def test_each_fires_when_it_should_and_none_while_all_is_well(tmp_path: Path) -> None:
    promtool = found_promtool()
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus): no alert was made to fire")
    path = tmp_path / "tests.yml"
    rules = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": list(_groups())}
    path.write_text(json.dumps(rules))
    done = subprocess.run(
        [promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_made_to_fire() -> None:
    rules = yaml.safe_load(ALERTS.read_text())["groups"]
    assert {rule["alert"] for group in rules for rule in group["rules"]} == set(CASES)
