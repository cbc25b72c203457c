"""A collector over HTTP gets the spans as OTLP says; one that is away or refuses is a line that says why."""

import threading
from collections.abc import Iterator

import pytest

from phenostream.daemon.monitor.collector import OtlpCollector
from phenostream.daemon.monitor.spans import span_id, spans, trace_id
from tests.daemon.monitor.test_spans import RECEIVED_NS, RUN, record
from tests.daemon.monitor.toy_collector import ToyCollector, toy_collector


@pytest.fixture
def there() -> Iterator[ToyCollector]:
    with toy_collector() as collector:
        yield collector


@pytest.mark.parametrize("way", ["", "/", "/v1/traces"])
def test_spans_arrive_as_otlp(there: ToyCollector, way: str) -> None:
    collector = OtlpCollector(there.url + way, "1.2", "scope1")
    made = spans(record(fate="failed", reason="engine: gone"), 9, RECEIVED_NS + 20_000_000)
    assert collector.send(made) is None
    collector.close()
    (post,) = there.posts
    assert (post.path, post.kind) == ("/v1/traces", "application/x-protobuf")
    resource = post.resource()
    said = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert said.items() >= {
        ("service.name", "phenostream"),
        ("service.version", "1.2"),
        ("service.instance.id", "scope1"),
    }
    (scope,) = resource.scope_spans
    by_name = {span.name: span for span in scope.spans}
    assert list(by_name) == ["frame", "queue", "prepare", "wait", "infer", "commit"]
    whole, queue = by_name["frame"], by_name["queue"]
    assert whole.trace_id == queue.trace_id == trace_id(RUN, 42)
    assert whole.span_id == queue.parent_span_id == span_id(whole.trace_id, "frame")
    assert whole.parent_span_id == b""
    assert (whole.start_time_unix_nano, whole.end_time_unix_nano) == (
        RECEIVED_NS,
        RECEIVED_NS + 20_000_000,
    )
    assert (whole.status.code, whole.status.message) == (2, "failed: engine: gone")
    told = {one.key: one.value for one in whole.attributes}
    assert told["phenostream.frame_seq"].int_value == 42
    assert told["phenostream.synthetic"].bool_value is True


def test_nobody_there_is_one_line_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    collector = OtlpCollector("http://127.0.0.1:9", "1.2", "scope1")
    ender = threading.Timer(0.5, collector.close)  # as the thread's owner does, from another
    ender.start()
    why = collector.send(spans(record(), 9, RECEIVED_NS))
    ender.join()
    assert why
    assert "\n" not in why
    assert caplog.text == ""


def test_a_collector_that_refuses_says_how(there: ToyCollector) -> None:
    there.status = 404
    collector = OtlpCollector(there.url + "/elsewhere", "1.2", "scope1")
    why = collector.send(spans(record(), 9, RECEIVED_NS))
    collector.close()
    assert why is not None
    assert "404" in why
