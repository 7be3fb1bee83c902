"""Entry points of both functions, with events as CloudFormation sends them: every value a string."""

from __future__ import annotations

import importlib
import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from cdk_sglang._runtime.copies import logic
from localcloud.aws import faults
from tests.localcloud.helpers import SESSION, any_component, any_endpoint
from tests.runtime.truth.test_truth import answering

PROPERTIES = {
    "Component": "llama", "Endpoint": "fleet", "Model": "llama-1", "Initial": "2", "Fewest": "1", "Most": "8",
    "Fingerprint": "abc", "Alarms": ["p99"],
}  # fmt: skip


@pytest.fixture
def handler(sagemaker: Any, driven: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    module = importlib.reload(importlib.import_module("cdk_sglang._runtime.copies.handler"))
    monkeypatch.setattr(module, "_sagemaker", SESSION.client("sagemaker"))
    any_endpoint(sagemaker)
    driven.advance(5)
    return module


@pytest.fixture
def five(handler: Any, sagemaker: Any, driven: Any) -> None:
    any_component(sagemaker, copies=5)
    driven.advance(20)


def event(kind: str = "Update", *, physical: str = "llama:1", old: dict[str, Any] | None = None, **changes: Any) -> Any:
    fields = {"RequestType": kind, "ResourceProperties": PROPERTIES | changes}
    if kind != "Create":
        fields |= {"PhysicalResourceId": physical}
    if kind == "Update":
        fields |= {"OldResourceProperties": PROPERTIES | {"Model": "llama-0"} | (old or {})}
    return fields


def copies(answer: dict[str, Any]) -> int:
    return int(answer["Data"]["Copies"])


def test_a_component_that_does_not_exist_starts_with_its_first_count(handler: Any) -> None:
    assert copies(handler.on_event(event("Create"), None)) == 2
    assert copies(handler.on_event(event(), None)) == 2  # somebody deleted it by hand


@pytest.mark.usefixtures("five")
def test_the_live_count_is_kept_within_the_bounds(handler: Any) -> None:
    assert copies(handler.on_event(event("Create"), None)) == 5
    assert copies(handler.on_event(event(), None)) == 5
    assert copies(handler.on_event(event(Most="3"), None)) == 3
    assert copies(handler.on_event(event(Fewest="6"), None)) == 6


@pytest.mark.usefixtures("five")
def test_an_event_that_comes_twice_is_answered_alike(handler: Any) -> None:
    assert handler.on_event(event(), None) == handler.on_event(event(), None)


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize("change", ["Model", "Endpoint", "Fingerprint", "Component"])
def test_whatever_touches_the_component_asks_for_the_live_count(handler: Any, change: str) -> None:
    before = {"Model": "llama-1", change: "before"}
    assert copies(handler.on_event(event(old=before, physical="llama:1"), None)) == 5


@pytest.mark.usefixtures("five")
def test_bounds_alone_bring_the_last_answer_again(handler: Any) -> None:
    same = {"Model": "llama-1", "Most": "4", "Initial": "1"}
    answer = handler.on_event(event(old=same, physical="llama:2"), None)
    assert (copies(answer), answer["PhysicalResourceId"]) == (2, "llama:2")
    assert copies(handler.on_event(event(old=same, physical="llama:2", Fewest="3"), None)) == 5
    assert copies(handler.on_event(event(old=same, physical="made by hand"), None)) == 5


@pytest.mark.usefixtures("five")
def test_a_rollback_asks_again_with_the_old_properties(handler: Any, sagemaker: Any, driven: Any) -> None:
    forward = handler.on_event(event(), None)
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 6}
    )
    driven.advance(20)
    back = event(Model="llama-0", old={"Model": "llama-1"}, physical=forward["PhysicalResourceId"])
    assert copies(handler.on_event(back, None)) == 6


@pytest.mark.usefixtures("five")
def test_zero_copies_stay_zero(handler: Any, sagemaker: Any, driven: Any) -> None:
    sagemaker.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 0}
    )
    driven.advance(20)
    assert copies(handler.on_event(event(Fewest="0"), None)) == 0
    assert copies(handler.on_event(event(Fewest="1"), None)) == 1


def test_deleting_asks_nobody(handler: Any) -> None:
    faults.inject("throttling", target="DescribeInferenceComponent")
    assert handler.on_event(event("Delete", physical="llama:5"), None) == {"PhysicalResourceId": "llama:5"}


@pytest.mark.usefixtures("five")
def test_a_throttled_or_forbidden_look_fails_and_never_guesses(handler: Any, sagemaker: Any) -> None:
    answering(sagemaker, "DescribeInferenceComponent", 400, "AccessDeniedException")
    properties = logic.Properties.parse(PROPERTIES)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        logic.answer(sagemaker, properties, before=None, physical_id="")
    throttled = SESSION.client("sagemaker")
    answering(throttled, "DescribeInferenceComponent", 400, "ThrottlingException")
    with pytest.raises(ClientError, match="ThrottlingException"):
        logic.answer(throttled, properties, before=None, physical_id="")
    invalid = SESSION.client("sagemaker")
    answering(invalid, "DescribeInferenceComponent", 400, "ValidationException", "1 validation error detected")
    with pytest.raises(ClientError, match="1 validation error"):  # another complaint than that it is not there
        logic.answer(invalid, properties, before=None, physical_id="")


@pytest.mark.usefixtures("five")
def test_a_look_that_times_out_fails_and_never_guesses(handler: Any) -> None:
    def late(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://sagemaker")

    client = SESSION.client("sagemaker")
    client.meta.events.register("before-send.sagemaker.DescribeInferenceComponent", late)
    with pytest.raises(ReadTimeoutError):
        logic.answer(client, logic.Properties.parse(PROPERTIES), before=None, physical_id="")


ASKED = {
    "endpoint": "fleet", "config": "fleet-1", "part": 1, "timeout_seconds": 3300, "image": "image",
    "smoke": {"body": {"messages": ["a secret question"]}, "expect": ["choices"], "timeout_seconds": 5},
    "components": [
        {
            "name": "llama", "model": "llama-1", "environment": {}, "instance_types": [], "copies": [1, 2], "scaling": [[1, 2]],
            "startup_seconds": 60, "fingerprint": "x", "smoke": {"body": {"a": 1}, "expect": ["b"], "timeout_seconds": 7},
        },
        {
            "name": "qwen", "model": "qwen-1", "environment": {}, "instance_types": ["ml.g6e.xlarge"], "copies": [1, 1],
            "scaling": [], "startup_seconds": 60, "fingerprint": "x",
        },
    ],
}  # fmt: skip


@pytest.fixture
def truth(driven: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    module = importlib.reload(importlib.import_module("cdk_sglang._runtime.truth.handler"))
    clients = module.logic.Clients(
        sagemaker=SESSION.client("sagemaker"),
        scaling=SESSION.client("application-autoscaling"),
        runtime=lambda _: SESSION.client("sagemaker-runtime"),
    )
    monkeypatch.setattr(module, "_aws", clients)
    return module


def asking(kind: str = "Create", **changes: Any) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "PhysicalResourceId": "fleet/truth/1",
        "ResourceProperties": {"Asked": json.dumps(ASKED | changes)},
        "Data": {"Begun": "1"},
    }


def test_the_check_begins_with_a_note_of_the_time(truth: Any) -> None:
    answer = truth.on_event(asking(), None)
    assert answer["PhysicalResourceId"] == "fleet/truth/1"
    assert int(answer["Data"]["Begun"]) > 1_700_000_000


def test_a_component_has_its_own_question_or_the_endpoints(truth: Any) -> None:
    from cdk_sglang._runtime.truth.specification import Specification

    llama, qwen = Specification.parse(json.dumps(ASKED)).components
    assert (llama.smoke.body, llama.smoke.expect, llama.smoke.timeout_seconds) == ('{"a": 1}', ("b",), 7)
    assert (qwen.smoke.expect, qwen.instance_types, qwen.scaling) == (("choices",), ("ml.g6e.xlarge",), ())


def test_deleting_checks_nothing(truth: Any) -> None:
    faults.inject("throttling", target="DescribeEndpoint")
    assert truth.on_event(asking("Delete"), None) == {"PhysicalResourceId": "fleet/truth/1"}
    assert truth.is_complete(asking("Delete"), None) == {"IsComplete": True}


class Invocations:
    """Lambda, on a driven clock: invocations of fifteen minutes, and what the function hands on to the next."""

    def __init__(self, truth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._truth, self._now = truth, 1_700_000_000.0
        self.handed_on: list[dict[str, Any]] = []
        monkeypatch.setattr(truth, "time", SimpleNamespace(time=lambda: self._now, sleep=self._sleep))
        monkeypatch.setattr(truth, "_lambda", SimpleNamespace(invoke=self._invoke))

    def _sleep(self, seconds: float) -> None:
        self._now += seconds

    def _invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:
        assert (FunctionName, InvocationType) == ("arn:look", "Event")
        self.handed_on.append(json.loads(Payload))

    def run(self, event: dict[str, Any]) -> Any:
        ends = self._now + 900
        context = SimpleNamespace(
            invoked_function_arn="arn:look", get_remaining_time_in_millis=lambda: int((ends - self._now) * 1000)
        )
        return self._truth.verify(event, context)


REQUEST = {
    "RequestType": "Update", "ResponseURL": "https://answer", "PhysicalResourceId": "fleet/truth/1",
    "ResourceProperties": {"Asked": json.dumps(ASKED)}, "OldResourceProperties": {"Asked": "{}"},
}  # fmt: skip


def test_a_long_check_goes_on_in_other_invocations_until_its_time_is_over(
    truth: Any, sagemaker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_endpoint(sagemaker)  # which stays as it is: the embedded clock does not move
    lambdas = Invocations(truth, monkeypatch)
    assert lambdas.run(dict(REQUEST)) is None
    (first,) = lambdas.handed_on
    assert first["ResponseURL"] == "https://answer"
    assert first["Begun"]["Data"] == {"Begun": "1700000000"}
    assert "OldResourceProperties" not in first  # two sets of properties may be more than Lambda takes

    def go_on() -> None:
        while True:
            assert lambdas.run(lambdas.handed_on[-1]) is None

    with pytest.raises(truth.logic.VerificationError, match="still so after 55 minutes"):
        go_on()
    assert {event["Begun"]["Data"]["Begun"] for event in lambdas.handed_on} == {"1700000000"}
    assert len(lambdas.handed_on) < 10  # Lambda stops a function that invokes itself more than sixteen times


def test_a_check_that_holds_is_answered_at_once(truth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lambdas = Invocations(truth, monkeypatch)
    monkeypatch.setattr(truth.logic, "check", lambda *_, **__: (True, []))
    assert lambdas.run(dict(REQUEST)) == {"PhysicalResourceId": "fleet/truth/1", "Data": {"Begun": "1700000000"}}
    assert lambdas.run({**REQUEST, "RequestType": "Delete"}) == {"PhysicalResourceId": "fleet/truth/1"}
    assert lambdas.handed_on == []


def test_what_is_missing_is_logged_without_the_question(
    truth: Any, sagemaker: Any, driven: Any, caplog: pytest.LogCaptureFixture
) -> None:
    any_endpoint(sagemaker)
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 300_000)
    event = asking() | {"Data": {"Begun": "99999999999"}}
    with caplog.at_level(logging.INFO):
        assert truth.is_complete(event, context) == {"IsComplete": False}
    assert "waiting: endpoint fleet: is Creating" in caplog.text
    assert "secret question" not in caplog.text
    driven.advance(5)
    with pytest.raises(truth.logic.VerificationError, match="component llama: Could not find inference component"):
        truth.is_complete(event, context)
