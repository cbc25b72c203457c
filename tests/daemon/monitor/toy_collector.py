"""A collector of traces that keeps what is posted to it, or refuses it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans


class Post(NamedTuple):
    """One request."""

    path: str
    kind: str | None
    body: bytes

    def resource(self) -> ResourceSpans:
        """What it holds."""
        resource: ResourceSpans
        (resource,) = ExportTraceServiceRequest.FromString(self.body).resource_spans
        return resource


@dataclass
class ToyCollector:
    """At `url`; answers with `status`."""

    url: str
    status: int = 200
    posts: list[Post] = field(default_factory=list)
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


@contextmanager
def toy_collector() -> Iterator[ToyCollector]:
    """One that listens until this ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.posts.append(Post(self.path, self.headers["Content-Type"], body))
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            collector.came.release()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = ToyCollector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield collector
        server.shutdown()
        thread.join()
