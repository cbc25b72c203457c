"""The metrics: what they say of a status, that they cannot grow without bound, and that the page of them is whole."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from phenostream.daemon.monitor.exposition import exposition
from phenostream.daemon.monitor.inquiry import Answer
from phenostream.daemon.monitor.page import page
from phenostream.daemon.monitor.reading import MOST_LABELS
from phenostream.daemon.monitor.site import Site
from tests.daemon.monitor.told import RUN, STATUS

PAGE = Path(__file__).parents[3] / "docs/monitoring.md"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def _samples(status: dict[str, Any] | None, site: Site | None = None) -> Samples:
    text = exposition(Answer(status, "" if status else "away", 0.002), site or Site()).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _names(samples: Samples) -> set[str]:
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in samples}


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("up", {}, 1),
        ("ready", {}, 1),
        ("status_seconds", {}, 0.002),
        ("uptime_seconds", {}, 61.5),
        ("state", {"state": "degraded"}, 1),
        ("state", {"state": "ready"}, 0),
        ("fault", {"fault": "engine"}, 1),
        ("fault", {"fault": "cells"}, 0),
        ("fault_openings_total", {"fault": "engine"}, 2),
        ("frames_received_total", {}, 12),
        ("frames_total", {"fate": "published"}, 15),
        ("frames_lost_total", {"fate": "quarantined", "reason": "shape"}, 2),
        ("frames_lost_total", {"fate": "failed", "reason": "engine"}, 1),
        ("frames_in_flight", {}, 1),
        ("frames_gaps", {}, 4),
        ("frames_missing_total", {}, 2),
        ("messages_total", {"why": "malformed"}, 6),
        ("runs_open", {}, 1),
        ("cells_found_total", {}, 100),
        ("cells_total", {"fate": "edge"}, 12),
        ("stage_seconds_count", {"stage": "queue"}, 16),
        ("stage_seconds_sum", {"stage": "total"}, 2.4),
        ("stage_seconds_bucket", {"stage": "queue", "le": "0.1"}, 15),
        ("stage_seconds_bucket", {"stage": "queue", "le": "+Inf"}, 16),
        ("journal_sync_seconds_bucket", {"le": "0.001"}, 3),
        ("journal_sync_seconds_count", {}, 9),
        ("journal_records_total", {}, 21),
        ("journal_written_bytes_total", {}, 40960),
        ("credit_outstanding_bytes", {}, 4096),
        ("cells_by_class_total", {"class": "granulocyte"}, 40),
        ("cells_unusual_total", {}, 5),
        ("build_info", {"version": "0.1.0"}, 1),
        ("disk_free_bytes", {"folder": "journal"}, 5000),
        ("disk_size_bytes", {"folder": "journal"}, 80_000),
        ("drift_alarms_opened_total", {}, 3),
        ("drift_alarms", {"against": "training", "quantity": "unusual"}, 2),
        ("drift_alarms", {"against": "training", "quantity": "rejected"}, 0),
        ("drift_shift", {"against": "training", "quantity": "unusual"}, pytest.approx(2)),
        ("drift_shift", {"against": "training", "quantity": "rejected"}, pytest.approx(-1)),
        ("queue_length", {"queue": "frames"}, 3),
        ("assembling_bytes", {}, 1024),
        ("journal_newest_offset", {}, 41),
        ("journal_losses", {}, 1),
        ("quarantine_frames", {}, 3),
        ("quarantine_removed_total", {}, 1),
        ("connections", {"socket": "ingest"}, 2),
        ("connections_shut_down_total", {"socket": "ingest", "why": "over_cap"}, 1),
        ("keys_refused_total", {}, 2),
        ("source_messages_total", {"source": "scope-2", "outcome": "frames"}, 9),
        ("backend_down", {"backend": "openvino"}, 1),
        ("backend_outages_total", {"backend": "openvino"}, 2),
        ("synthetic", {"of": "model"}, 1),
        ("inference_retries_total", {}, 1),
        ("summaries_total", {"outcome": "worded"}, 7),
        ("summariser_silence_seconds", {}, 4),
        ("summary_last_seconds", {}, 2.5),
    ],
)  # fmt: skip
def test_what_a_status_becomes(name: str, labels: dict[str, str], value: float) -> None:
    assert _samples(STATUS)[f"phenostream_{name}", tuple(sorted(labels.items()))] == value


def test_who_infers_and_who_words_are_labels_of_a_one() -> None:
    told = {name: dict(labels) for name, labels in _samples(STATUS) if name.endswith("_info")}
    assert told["phenostream_model_info"] == {
        "name": "demo",
        "version": "3",
        "sha256": "ab" * 6,
        "backend": "onnxruntime",
        "device": "CPU",
        "precision": "fp32",
        "calibrated": "yes",
        "signed": "no",
    }
    assert told["phenostream_llm_info"]["name"] == "smollm2"


def test_the_fates_and_what_is_in_flight_add_up_to_what_was_received() -> None:
    samples = _samples(STATUS)
    fates = sum(n for (name, _), n in samples.items() if name == "phenostream_frames_total")
    in_flight = samples["phenostream_frames_in_flight", ()]
    assert fates + in_flight == STATUS["ledger"]["total"]["received"]


def test_a_daemon_that_is_away_is_down_and_nothing_is_said_of_it() -> None:
    samples = _samples(None, Site(True, {"200": 4}))
    assert samples["phenostream_up", ()] == samples["phenostream_ready", ()] == 0
    assert samples["phenostream_summariser_wanted", ()] == 1
    assert samples["phenostream_monitor_answers_total", (("code", "200"),)] == 4
    assert "phenostream_state" not in _names(samples)


def test_runs_are_never_a_label_and_reasons_are_bounded() -> None:
    total = {f"failed.reason-{n}": 1 for n in range(1000)}
    many = {**STATUS, "ledger": {**STATUS["ledger"], "total": total}}
    samples = _samples(many)
    assert not any(RUN in value for _, labels in samples for _, value in labels)
    lost = {
        labels: n for (name, labels), n in samples.items() if name.endswith("frames_lost_total")
    }
    assert len(lost) == MOST_LABELS + 1
    assert sum(lost.values()) == 1000


def test_a_status_of_another_version_costs_its_metrics_and_no_more() -> None:
    odd: list[dict[str, Any]] = [
        {},
        dict.fromkeys(STATUS),
        dict.fromkeys(STATUS, 3),
        {name: [{"a": {}}] for name in STATUS},
        {name: {"x": {"y": "z"}} for name in STATUS},
    ]
    for status in odd:
        samples = _samples({"uptime_s": 1.0, **status})
        assert samples["phenostream_up", ()] == 1


@pytest.mark.parametrize("odd", [3, "ab", [1], [[1]], [["a", 2]], [[None, None]], {"a": 1}])
def test_a_histogram_of_another_shape_is_left_out_alone(odd: object) -> None:
    told = copy.deepcopy(STATUS)
    told["meters"]["stages"]["queue"]["buckets"] = [odd]
    samples = _samples(told)
    name = "phenostream_stage_seconds_count"
    assert (name, (("stage", "queue"),)) not in samples
    assert samples[name, (("stage", "total"),)] > 0


def test_names_that_are_no_text_do_not_break_the_format() -> None:
    told = copy.deepcopy(STATUS)
    told["ledger"]["ended"] = [{"a": 1}, [2], 3]
    for place in (told["ledger"]["total"], told["ledger"]["runs"], told["faults"], told["sources"]):
        place[b"\xff"] = {"messages": 1}
    samples = _samples(told)
    assert samples["phenostream_up", ()] == 1
    assert samples["phenostream_runs_open", ()] == len(told["ledger"]["runs"])
    assert b"phenostream" in page(Answer(told, "", 0.01))


def test_hostile_names_do_not_break_the_format() -> None:
    nasty = 'a"} 1\nphenostream_up 7 # \\'
    samples = _samples({**STATUS, "faults": {nasty: "x"}, "queues": {nasty: 5}})
    assert samples["phenostream_up", ()] == 1
    assert samples["phenostream_queue_length", (("queue", nasty),)] == 5


def test_the_page_names_every_metric_and_no_other() -> None:
    site = Site(False, {"200": 1}, {"sent": 6, "lost": 0})
    documented = set(re.findall(r"^\| `(phenostream_\w+)` \|", PAGE.read_text(), re.M))
    assert documented == _names(_samples(STATUS, site))
