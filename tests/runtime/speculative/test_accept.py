"""The accept length by PromQL: signed, asked at the end of a measurement, and never a reason to fail."""

from __future__ import annotations

import datetime as dt
import io
import json
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from typing import Any

import boto3
import pytest

from cdk_sglang._runtime.speculative.accept import accept_length
from cdk_sglang.metrics.promql import Place, gauge
from tests.support.speculation import NOW

QUERY = gauge("accept_length", Place(component="${component}"), aggregate="avg", over="avg_over_time[${window}]")


class Prometheus:
    """A stand-in for CloudWatch's PromQL API: the requests it got, and its answers in their order."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[urllib.request.Request] = []

    def __call__(self, request: urllib.request.Request, *, timeout: float) -> Any:
        assert timeout > 0
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            raise urllib.error.HTTPError(request.full_url, answer, "no", Message(), None)
        return io.BytesIO(json.dumps(answer).encode())


def success(*values: str) -> dict[str, Any]:
    return {"status": "success", "data": {"result": [{"metric": {}, "value": [0, value]} for value in values]}}


def measured_length(monkeypatch: pytest.MonkeyPatch, prometheus: Prometheus) -> float | None:
    monkeypatch.setattr(urllib.request, "urlopen", prometheus)
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    return accept_length(
        session,
        "https://monitoring.us-east-1.amazonaws.com",
        QUERY,
        component="gate-x-draft",
        start=NOW - dt.timedelta(minutes=10),
        end=NOW,
    )


def test_the_mean_over_the_measurement_is_asked_for_with_a_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    prometheus = Prometheus(success("2.4", "2.6"))

    assert measured_length(monkeypatch, prometheus) == pytest.approx(2.5)
    (request,) = prometheus.requests
    assert isinstance(request.data, bytes)
    form = urllib.parse.parse_qs(request.data.decode())
    assert "[600s]" in form["query"][0]
    assert '"gate-x-draft"' in form["query"][0]
    assert form["time"] == [str(int(NOW.timestamp()))]
    assert "/monitoring/aws4_request" in request.headers["Authorization"]


def test_the_other_path_of_the_api_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    prometheus = Prometheus(404, success("2.0"))

    assert measured_length(monkeypatch, prometheus) == 2.0
    assert [urllib.parse.urlsplit(one.full_url).path for one in prometheus.requests] == [
        "/api/v1/query",
        "/prometheus/api/v1/query",
    ]


@pytest.mark.parametrize("answers", [(500,), (404, 404), ({"status": "error"},), (success(),), (success("NaN"),)])
def test_a_cloudwatch_that_does_not_answer_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[Any, ...]
) -> None:
    assert measured_length(monkeypatch, Prometheus(*answers)) is None
