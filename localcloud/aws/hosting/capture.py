"""Data capture: requests and answers of an endpoint, sampled and written to S3 as JSON lines.

Layout `<destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/<file>.jsonl` and lines as AWS documents them
(https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html, read 2026-11).
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.eventstream import EventStreamBuffer
from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition
from werkzeug.wrappers import Request, Response

from localcloud.aws.clock import clock
from localcloud.aws.hosting import access
from localcloud.aws.hosting.records import Component
from localcloud.aws.hosting.store import LOCK, Store, stores

_BUFFER_S = 10
"""Seconds for which records are collected into one file. AWS documents only that files appear within minutes."""
_FRAMES = "application/vnd.amazon.eventstream"


@dataclass(frozen=True, kw_only=True)
class Captured:
    """One record that will be written to S3.

    Args:
        destination: Bucket and prefix of the endpoint's files.
        moment: Time of the inference, in seconds on the clock.
        line: Line of the file.
        role: Execution role of the endpoint, with which the file is written. Default: no permission is checked.
    """

    destination: str
    moment: float
    line: str
    role: str | None = None


@dataclass(frozen=True, kw_only=True)
class Message:
    """A request or an answer: its bytes, and their content type."""

    body: bytes
    kind: str


def settings(state: Store, endpoint: str) -> dict[str, Any]:
    """Data capture of an endpoint; empty if it is off."""
    found = state.endpoints.get(endpoint)
    config: dict[str, Any] = state.config_of(found).get("DataCaptureConfig", {}) if found else {}
    return config if config.get("EnableCapture", True) else {}


def summary(state: Store, endpoint: str) -> dict[str, Any] | None:
    """DataCaptureConfig as DescribeEndpoint shows it; None for an endpoint without it."""
    found = state.endpoints.get(endpoint)
    config: dict[str, Any] = state.config_of(found).get("DataCaptureConfig", {}) if found else {}
    if not config:
        return None
    enabled = config.get("EnableCapture", True)
    shown = {"EnableCapture": enabled, "CaptureStatus": "Started" if enabled else "Stopped"}
    shown |= {"CurrentSamplingPercentage": config["InitialSamplingPercentage"]}
    return shown | {key: config[key] for key in ("DestinationS3Uri", "KmsKeyId") if key in config}


def capture(
    state: Store, component: Component, request: Message, reply: Message, *, inference_id: str | None = None
) -> None:
    """Capture one inference, if the endpoint captures and the sample includes it.

    Args:
        state: State of SageMaker.
        component: Component that answered.
        request: Request to the container.
        reply: Answer of the container.
        inference_id: InferenceId of the caller.
    """
    endpoint = component.data["EndpointName"]
    config = settings(state, endpoint)
    if not config or secrets.randbelow(100) >= config["InitialSamplingPercentage"]:
        return
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    data: dict[str, Any] = {}
    for member, mode, message in (("endpointInput", "INPUT", request), ("endpointOutput", "OUTPUT", reply)):
        if modes & {mode.title(), "InputAndOutput"}:
            data[member] = _side(config, message, mode)
    metadata = {"eventId": str(uuid.uuid4()), "inferenceTime": f"{clock().utc():%Y-%m-%dT%H:%M:%SZ}"}
    metadata |= {"inferenceId": inference_id} if inference_id else {}
    line = json.dumps({"captureData": data, "eventMetadata": metadata, "eventVersion": "0"})
    destination = f"{config['DestinationS3Uri'].rstrip('/')}/{endpoint}/{component.data['VariantName']}"
    with LOCK:
        role = state.config_of(state.endpoints[endpoint]).get("ExecutionRoleArn")
        state.captured.append(Captured(destination=destination, moment=clock().now(), line=line, role=role))


def _side(config: dict[str, Any], message: Message, mode: str) -> dict[str, Any]:
    """One side of a record: text for the content types that the configuration names, base64 for others."""
    headers = config.get("CaptureContentTypeHeader", {})
    plain = message.kind.split(";")[0].strip().lower()
    side = {"observedContentType": message.kind, "mode": mode}
    for encoding, member in (("JSON", "JsonContentTypes"), ("CSV", "CsvContentTypes")):
        if plain in [kind.lower() for kind in headers.get(member, [])]:
            return side | {"data": message.body.decode("utf-8", "replace"), "encoding": encoding}
    return side | {"data": base64.b64encode(message.body).decode(), "encoding": "BASE64"}


def kept(state: Store, component: Component, request: Request, response: Response) -> Response:
    """Capture the answer to a request when it is complete, and return it."""
    if not settings(state, component.data["EndpointName"]):
        return response
    message = Message(body=request.get_data(), kind=request.content_type or "application/octet-stream")
    kind = response.headers.get("X-Amzn-SageMaker-Content-Type") or response.content_type or "application/octet-stream"
    inference_id = request.headers.get("X-Amzn-SageMaker-Inference-Id")

    def done(body: bytes) -> None:
        capture(state, component, message, Message(body=body, kind=kind), inference_id=inference_id)

    if response.is_streamed:
        framed = response.content_type == _FRAMES
        response.response = _collected(response.response, done, framed=framed)
    else:
        done(response.get_data())
    return response


def _collected(parts: Iterable[Any], done: Any, *, framed: bool) -> Iterator[bytes]:
    """Pass on the parts of a stream; once all have been read, call `done` with what the container sent."""
    whole = bytearray()
    for part in parts:
        whole += part
        yield part
    done(_payload(bytes(whole)) if framed else bytes(whole))


def _payload(frames: bytes) -> bytes:
    buffer: Any = EventStreamBuffer()
    buffer.add_data(frames)
    return b"".join(event.payload for event in buffer if event.headers.get(":event-type") == "PayloadPart")


def tick() -> None:
    """Write the records whose collection period is over."""
    for state in stores():
        with LOCK:
            if not state.captured or clock().now() - state.captured[0].moment < _BUFFER_S:
                continue
            records, state.captured = state.captured, []
        _write(state, records)


def _write(state: Store, records: list[Captured]) -> None:
    files: dict[str, list[Captured]] = {}
    for record in records:
        hour = f"{datetime.fromtimestamp(record.moment, UTC):%Y/%m/%d/%H}"
        files.setdefault(f"{record.destination}/{hour}", []).append(record)
    for folder, found in files.items():
        place = urlsplit(folder)
        first = datetime.fromtimestamp(found[0].moment, UTC)
        name = f"{first:%M-%S}-{first.microsecond // 1000:03}-{uuid.uuid4()}.jsonl"
        body = "".join(f"{record.line}\n" for record in found).encode()
        backend = s3_backends[state.account][get_partition(state.region)]
        if access.writing(found[0].role, f"{folder}/{name}", region=state.region) is not None:
            continue
        try:
            backend.put_object(place.netloc, f"{place.path.strip('/')}/{name}", body)
        except S3ClientError:  # SageMaker keeps serving if the bucket has been deleted
            continue
