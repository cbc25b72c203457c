"""A collector over HTTP gets the spans as OTLP says; one that is away or refuses is a line that says why."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from phenostream.daemon.monitor import collector as module
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


def test_an_answer_that_drips_for_ever_is_given_up_and_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_WHOLE_S", 0.3)
    over = threading.Event()

    def drip(listening: socket.socket) -> None:
        wire, _ = listening.accept()
        with wire, suppress(OSError):  # who heard enough closes
            wire.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.02):
                wire.sendall(b"y")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        dripping = threading.Thread(target=drip, args=(listening,), daemon=True)
        dripping.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        collector = OtlpCollector(url, "1.2", "scope1")
        made = spans(record(), 9, RECEIVED_NS)
        assert collector.send(made) == "no whole answer within 0.3 s"
        assert collector.send(made) == "its answer to earlier ones has not ended"
        collector.close()
        over.set()
        dripping.join(20)
