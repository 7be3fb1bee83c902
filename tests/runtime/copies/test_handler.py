"""The function that answers how many copies a component has, with events as CloudFormation sends them: every value a string."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from cdk_sglang._runtime.copies import logic
from localcloud.aws import faults
from tests.localcloud.helpers import SESSION, any_component, any_endpoint
from tests.support.wire import refuse

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
    refuse(sagemaker, "DescribeInferenceComponent", 400, "AccessDeniedException")
    properties = logic.Properties.parse(PROPERTIES)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        logic.answer(sagemaker, properties, before=None, physical_id="")
    throttled = SESSION.client("sagemaker")
    refuse(throttled, "DescribeInferenceComponent", 400, "ThrottlingException")
    with pytest.raises(ClientError, match="ThrottlingException"):
        logic.answer(throttled, properties, before=None, physical_id="")
    invalid = SESSION.client("sagemaker")
    refuse(invalid, "DescribeInferenceComponent", 400, "ValidationException", "1 validation error detected")
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
