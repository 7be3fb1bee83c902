"""A relay on loopback for the streaming API: AIPerf knows no SigV4, so requests are signed on their way.

The relay measures itself: from a request's arrival to the moment at which the signed request leaves, and the time in which it hands parts on.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import boto3
import numpy as np
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EventStreamError
from urllib3.exceptions import HTTPError

from cdk_sglang.benchmarking.aiperf.configuration import Address

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

PATH: Final = "/v1/chat/completions"
_SENT: Final = "before-send.sagemaker-runtime.InvokeEndpointWithResponseStream"
"""botocore's event between signing and sending (botocore 1.44.5)."""
_BODY_MAX: Final = 32 * 1024 * 1024
_BROKEN: Final = (EventStreamError, HTTPError, OSError)


@dataclass
class Overhead:
    """What the relay adds to requests, in milliseconds.

    Attributes:
        before: From arrival to the signed request's departure.
        after: Time in which an answer's parts are handed on.
    """

    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)

    def words(self) -> str:
        """Return the overhead as one line; empty without requests."""
        if not self.before:
            return ""
        first, p99, rest = (
            float(np.mean(self.before)),
            float(np.percentile(self.before, 99)),
            float(np.mean(self.after)),
        )
        return f"the relay adds {first:.1f} ms to the time to the first token (p99 {p99:.1f}) and {rest:.1f} ms to the rest of an answer"


@contextmanager
def relay(
    endpoint: str, component: str, *, region: str | None, connections: int, timeout_seconds: float
) -> Iterator[tuple[Address, Overhead]]:
    """Run the relay for the length of the block.

    Args:
        endpoint: SageMaker's name of the endpoint.
        component: SageMaker's name of the component.
        region: Region.
        connections: Most requests at once.
        timeout_seconds: Longest time between two parts of an answer.

    Yields:
        Address for requests, and what the relay adds to them.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=connections,
        connect_timeout=5,
        read_timeout=timeout_seconds,
    )
    client = boto3.client("sagemaker-runtime", region_name=region, config=config)
    overhead = Overhead()
    server = _Server(("127.0.0.1", 0), _handler(client, endpoint, component, overhead))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield Address(url=f"http://127.0.0.1:{server.server_port}", path=PATH, needs_token=False), overhead
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        client.close()


class _Server(http.server.ThreadingHTTPServer):
    """One thread a connection; connections that AIPerf gave up end with the process."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024


def _handler(
    client: SageMakerRuntimeClient, endpoint: str, component: str, overhead: Overhead
) -> type[http.server.BaseHTTPRequestHandler]:
    sent = threading.local()
    client.meta.events.register(_SENT, lambda **_: setattr(sent, "at", time.perf_counter()))

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Relay one chat completion."""
            arrived = time.perf_counter()
            length = int(self.headers.get("Content-Length") or 0)
            if self.path != PATH or not 0 < length <= _BODY_MAX:
                self._refuse(404 if self.path != PATH else 413, "NotRelayed", f"POST {PATH} with a body")
                return
            body = self.rfile.read(length)
            try:
                answer = client.invoke_endpoint_with_response_stream(
                    EndpointName=endpoint,
                    InferenceComponentName=component,
                    ContentType="application/json",
                    Body=body,
                )
            except ClientError as error:
                details = error.response.get("Error", {})
                status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 502)
                self._refuse(status, details.get("Code", "error"), details.get("Message", ""))
                return
            except BotoCoreError as error:
                self._refuse(502, type(error).__name__, str(error))
                return
            overhead.before.append((getattr(sent, "at", arrived) - arrived) * 1000)
            self._forward(answer["Body"])

        def _forward(self, events: Any) -> None:
            spent = 0.0
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for event in events:
                    part = event.get("PayloadPart", {}).get("Bytes", b"")
                    if part:
                        begin = time.perf_counter()
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                        self.wfile.flush()
                        spent += time.perf_counter() - begin
                overhead.after.append(spent * 1000)  # before its end: whoever waits for the answer may look at once
                self.wfile.write(b"0\r\n\r\n")
            except _BROKEN:
                self.close_connection = True  # AIPerf sees an answer that breaks off
            finally:
                events.close()

        def _refuse(self, status: int, code: str, message: str) -> None:
            body = json.dumps({"__type": code, "message": message}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write no line for each request."""

    return Handler
