"""The relay and the tokenizer against the embedded AWS: signed on the way, streamed through, refusals passed on."""

from __future__ import annotations

import binascii
import json
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest

from cdk_sglang.benchmarking.relay import PATH, Overhead, relay
from cdk_sglang.benchmarking.tokenizer import BUILT_IN, fetch_tokenizer


def message(payload: bytes) -> bytes:
    """One event of an event stream, as SageMaker sends it."""

    headers = b""
    for name, value in (
        (b":message-type", b"event"),
        (b":event-type", b"PayloadPart"),
        (b":content-type", b"application/octet-stream"),
    ):
        headers += bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack(">I", binascii.crc32(prelude))
    whole = prelude + headers + payload
    return whole + struct.pack(">I", binascii.crc32(whole))


class Runtime(BaseHTTPRequestHandler):
    """A runtime that streams two parts, or refuses what asks for it."""

    protocol_version = "HTTP/1.1"
    requests: list[dict[str, str]] = []

    def do_POST(self) -> None:
        self.requests.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if b"refuse" in body:
            answer, status = b'{"message": "Rate exceeded"}', 429
        else:
            answer, status = message(b"data: a\n\n") + message(b"data: [DONE]\n\n"), 200
        self.send_response(status)
        self.send_header("x-amzn-ErrorType", "ThrottlingException")
        self.send_header("Content-Type", "application/vnd.amazon.eventstream" if status == 200 else "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Runtime)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    Runtime.requests = []
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield Runtime.requests
    server.shutdown()
    thread.join()
    server.server_close()


def post(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=json.dumps(body).encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_requests_are_signed_and_answers_streamed_through(runtime: list[dict[str, str]]) -> None:
    with relay("prod-chat", "prod-chat-qwen", region="us-east-1", connections=4, timeout_seconds=5) as (
        address,
        overhead,
    ):
        status, body = post(address.url + address.path, {"messages": []})
        assert (status, body) == (200, b"data: a\n\ndata: [DONE]\n\n")
        refused, error = post(address.url + address.path, {"messages": ["refuse"]})
        assert (refused, json.loads(error)) == (429, {"__type": "ThrottlingException", "message": "Rate exceeded"})
        assert post(address.url + "/v1/models", {})[0] == 404
    first = runtime[0]
    assert first["path"] == "/endpoints/prod-chat/invocations-response-stream"
    assert first["authorization"].startswith("AWS4-HMAC-SHA256 Credential=a/")
    assert first["x-amzn-sagemaker-inference-component"] == "prod-chat-qwen"
    assert len(runtime) == 2, "a refused request is not sent again"
    assert (len(overhead.before), len(overhead.after)) == (1, 1)
    assert 0 < overhead.before[0] < 5000
    assert address.path == PATH
    assert not address.needs_token


def test_the_overhead_is_said_in_words() -> None:
    assert Overhead().words() == ""
    assert "adds 2.0 ms to the time to the first token" in Overhead(before=[1, 3], after=[0.5, 0.5]).words()


def test_the_tokenizer_of_the_weights_is_used_without_the_weights(session_cloud: Any, tmp_path: Path) -> None:
    keys = session_cloud.credentials
    s3 = boto3.client(
        "s3", endpoint_url=session_cloud.url, region_name="us-east-1",
        aws_access_key_id=keys.access_key_id, aws_secret_access_key=keys.secret_access_key,
    )  # fmt: skip
    s3.create_bucket(Bucket="bench-weights")
    for name in (
        "qwen/tokenizer.json",
        "qwen/tokenizer_config.json",
        "qwen/model.safetensors",
        "qwen/extra/tokenizer.json",
        "bare/a.safetensors",
    ):
        s3.put_object(Bucket="bench-weights", Key=name, Body=b"{}")
    folder = tmp_path / "tokenizer"
    assert fetch_tokenizer(s3, "s3://bench-weights/qwen/", folder) == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["tokenizer.json", "tokenizer_config.json"]
    assert fetch_tokenizer(s3, "s3://bench-weights/bare/", tmp_path / "bare") == BUILT_IN
    assert fetch_tokenizer(s3, "weights/qwen/", tmp_path / "no") == BUILT_IN
