"""Data capture of an endpoint: what is written to S3, how much of it, and in which encoding."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from localcloud.aws.hosting import capture
from localcloud.aws.hosting.store import store
from tests.localcloud.helpers import ROLE, SESSION, any_component, variant

ASKED, ANSWERED = b'{"messages": [{"role": "user", "content": "Hi"}]}', b'{"choices": []}'


class Endpoint:
    """An endpoint with data capture; `answer` stands for a container that answers a request."""

    def __init__(self, sagemaker: Any, clock: Any, **config: Any) -> None:
        self.s3, self.clock = SESSION.client("s3"), clock
        self.s3.create_bucket(Bucket="models")
        options = [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}]
        settings = {"InitialSamplingPercentage": 100, "CaptureOptions": options}
        settings |= {"DestinationS3Uri": "s3://models/captured/", "EnableCapture": True}
        sagemaker.create_endpoint_config(
            EndpointConfigName="c",
            ExecutionRoleArn=ROLE,
            ProductionVariants=[variant()],
            DataCaptureConfig=settings | config,
        )
        sagemaker.create_endpoint(EndpointName="fleet", EndpointConfigName="c")
        clock.advance(5)
        any_component(sagemaker)
        clock.advance(5)
        self.state = store("123456789012", "us-east-1")

    def answer(self, response: Response, **headers: str) -> bytes:
        builder = EnvironBuilder(method="POST", data=ASKED, content_type="application/json", headers=headers)
        kept = capture.kept(self.state, self.state.components["llama"], Request(builder.get_environ()), response)
        return bytes(kept.get_data())

    def files(self) -> dict[str, list[dict[str, Any]]]:
        self.clock.advance(10)
        found = {}
        for item in self.s3.list_objects_v2(Bucket="models").get("Contents", []):
            body = self.s3.get_object(Bucket="models", Key=item["Key"])["Body"].read().decode()
            found[item["Key"]] = [json.loads(line) for line in body.splitlines()]
        return found


def json_answer() -> Response:
    return Response(ANSWERED, content_type="application/json")


def test_requests_and_answers_are_lines_of_a_file_for_the_hour(sagemaker: Any, driven: Any) -> None:
    header = {"JsonContentTypes": ["application/json"]}
    endpoint = Endpoint(sagemaker, driven, CaptureContentTypeHeader=header)
    assert endpoint.answer(json_answer(), **{"X-Amzn-SageMaker-Inference-Id": "i1"}) == ANSWERED
    endpoint.answer(json_answer())
    ((key, lines),) = endpoint.files().items()
    assert re.fullmatch(r"captured/fleet/main/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl", key)
    assert len(lines) == 2
    first = lines[0]
    assert first["captureData"]["endpointInput"] == {
        "observedContentType": "application/json",
        "mode": "INPUT",
        "data": ASKED.decode(),
        "encoding": "JSON",
    }
    assert first["captureData"]["endpointOutput"]["data"] == ANSWERED.decode()
    assert first["eventMetadata"]["inferenceId"] == "i1"
    assert first["eventVersion"] == "0"
    assert lines[0]["eventMetadata"]["eventId"] != lines[1]["eventMetadata"]["eventId"]


def test_other_content_types_are_in_base64(sagemaker: Any, driven: Any) -> None:
    endpoint = Endpoint(sagemaker, driven)
    endpoint.answer(json_answer())
    ((line,),) = endpoint.files().values()
    endpoint_input = line["captureData"]["endpointInput"]
    assert (endpoint_input["encoding"], base64.b64decode(endpoint_input["data"])) == ("BASE64", ASKED)


def test_a_stream_is_captured_whole_once_it_has_been_read(sagemaker: Any, driven: Any) -> None:
    endpoint = Endpoint(sagemaker, driven)
    parts = [b"data: {", b"}\n\n", b"data: [DONE]\n\n"]
    assert endpoint.answer(Response(iter(parts), content_type="text/event-stream")) == b"".join(parts)
    ((line,),) = endpoint.files().values()
    answered = line["captureData"]["endpointOutput"]
    assert answered["observedContentType"] == "text/event-stream"
    assert base64.b64decode(answered["data"]) == b"".join(parts)


def test_the_frames_of_an_event_stream_are_not_captured(sagemaker: Any, driven: Any) -> None:
    from localcloud.aws.hosting.runtime import _event

    endpoint = Endpoint(sagemaker, driven)
    frames = [_event("PayloadPart", part) for part in (b"data: {", b"}\n\n")]
    headers = {"X-Amzn-SageMaker-Content-Type": "text/event-stream"}
    endpoint.answer(Response(iter(frames), headers=headers, content_type="application/vnd.amazon.eventstream"))
    ((line,),) = endpoint.files().values()
    assert base64.b64decode(line["captureData"]["endpointOutput"]["data"]) == b"data: {}\n\n"


@pytest.mark.parametrize("config", [{"InitialSamplingPercentage": 0}, {"EnableCapture": False}])
def test_nothing_is_captured_outside_of_the_sample(sagemaker: Any, driven: Any, config: dict[str, Any]) -> None:
    endpoint = Endpoint(sagemaker, driven, **config)
    for _ in range(20):
        endpoint.answer(json_answer())
    assert endpoint.files() == {}
    shown = sagemaker.describe_endpoint(EndpointName="fleet")["DataCaptureConfig"]
    assert shown["CaptureStatus"] == ("Started" if config.get("EnableCapture", True) else "Stopped")


def test_a_sample_is_about_as_large_as_asked_for(sagemaker: Any, driven: Any) -> None:
    endpoint = Endpoint(sagemaker, driven, InitialSamplingPercentage=30)
    for _ in range(1000):
        endpoint.answer(json_answer())
    assert 200 < sum(len(lines) for lines in endpoint.files().values()) < 400


def test_only_the_side_that_was_asked_for_is_captured(sagemaker: Any, driven: Any) -> None:
    endpoint = Endpoint(sagemaker, driven, CaptureOptions=[{"CaptureMode": "Input"}])
    endpoint.answer(json_answer())
    ((line,),) = endpoint.files().values()
    assert list(line["captureData"]) == ["endpointInput"]


def test_an_endpoint_answers_on_when_the_bucket_is_gone(sagemaker: Any, driven: Any) -> None:
    endpoint = Endpoint(sagemaker, driven, DestinationS3Uri="s3://absent/captured")
    assert endpoint.answer(json_answer()) == ANSWERED
    assert endpoint.files() == {}
