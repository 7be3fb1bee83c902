"""`EndpointLogs` in templates: metric filters on every log group, saved queries, and room for a hundred components."""

from __future__ import annotations

from collections import Counter
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from cdk_sglang import ConfigurationError, InferenceEndpoint, ModelSource, ServingImage
from cdk_sglang.observability.logs.endpoint_logs import EndpointLogs
from cdk_sglang.observability.logs.failures import engine_failures
from cdk_sglang.observability.observed import ObservedEndpoint, observed_endpoint
from cdk_sglang.planning import Hosting, resolve
from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.component import Component
from cdk_sglang.spec.image_facts import SglangDlc
from cdk_sglang.spec.model import Model

COMPONENT_GROUP = "/aws/sagemaker/InferenceComponents/prod-chat-"


def observed(*components: str) -> ObservedEndpoint:
    hosting = Hosting(
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
        image=SglangDlc("0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker").facts,
        region="us-east-1",
    )
    specified = {name: Component(model=Model(s3="s3://models/llama/", weights_gib=15.0)) for name in components}
    return observed_endpoint(resolve("chat", specified, hosting, path="chat"), endpoint_name="prod-chat")


def templates(endpoint: ObservedEndpoint) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The template of the stack, and those of its nested stacks."""
    stack = cdk.Stack(cdk.App(), "Fleet")
    endpoint_logs = EndpointLogs(stack, "Logs", endpoint=endpoint)
    nested = [one for one in endpoint_logs.node.find_all() if isinstance(one, cdk.NestedStack)]
    return Template.from_stack(stack).to_json(), [Template.from_stack(one).to_json() for one in nested]


def of_type(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]


def test_an_endpoint_is_taken_as_it_is_once_it_has_components() -> None:
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(account="111122223333", region="us-east-1"))
    endpoint = InferenceEndpoint(
        stack,
        "Chat",
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
        image=ServingImage.from_dlc(),
        endpoint_name="chat",
    )
    with pytest.raises(ConfigurationError, match=r"^Chat: has no components yet; add them first$"):
        EndpointLogs(stack, "Logs", endpoint=endpoint)
    model = ModelSource.from_s3("s3://models/llama/", check=False)
    endpoint.add_component("llama", model=model, component_name="big-llama")
    EndpointLogs(stack, "Logs", endpoint=endpoint)
    filters = of_type(Template.from_stack(stack).to_json(), "AWS::Logs::MetricFilter")
    assert {one["LogGroupName"] for one in filters} == {
        "/aws/sagemaker/Endpoints/chat",
        "/aws/sagemaker/InferenceComponents/big-llama",
    }


def test_every_failure_is_counted_on_the_groups_of_the_endpoint_and_its_components() -> None:
    filters = of_type(templates(observed("llama", "qwen"))[0], "AWS::Logs::MetricFilter")
    counted = {(one["LogGroupName"], one["MetricTransformations"][0]["MetricName"]) for one in filters}
    groups = ["/aws/sagemaker/Endpoints/prod-chat", f"{COMPONENT_GROUP}llama", f"{COMPONENT_GROUP}qwen"]
    assert counted == {(group, metric) for group in groups for metric in engine_failures()}
    assert len(filters) == len(counted)
    first = next(one for one in filters if one["LogGroupName"].endswith("llama"))
    assert first["FilterPattern"] == engine_failures()["EngineOutOfMemory"].pattern
    assert first["MetricTransformations"] == [
        {
            "MetricNamespace": "cdk-sglang/prod-chat",
            "MetricName": "EngineOutOfMemory",
            "MetricValue": "1",
            "DefaultValue": 0,
            "Unit": "Count",
        }
    ]


def test_queries_are_saved_under_the_endpoints_name_and_read_all_its_groups() -> None:
    queries = of_type(templates(observed("llama", "qwen"))[0], "AWS::Logs::QueryDefinition")
    assert [query["Name"] for query in queries] == [
        "cdk-sglang/prod-chat/errors by copy",
        "cdk-sglang/prod-chat/slow requests",
        "cdk-sglang/prod-chat/start-up by phase",
        "cdk-sglang/prod-chat/who was refused, and why",
        "cdk-sglang/prod-chat/answers by status",
        "cdk-sglang/prod-chat/wake-ups",
    ]
    assert {len(query["LogGroupNames"]) for query in queries} == {3}


@pytest.mark.parametrize("components", [19, 20, 50, 100])
def test_a_hundred_components_fit_into_stacks_and_queries(components: int) -> None:
    names = [f"model-{number:03d}" for number in range(components)]
    outer, nested = templates(observed(*names))
    assert all(len(template["Resources"]) <= 500 for template in [outer, *nested])
    assert len(outer["Resources"]) <= 125, "the rest of the stack is for dashboards and alarms"
    filters = [one for template in [outer, *nested] for one in of_type(template, "AWS::Logs::MetricFilter")]
    per_group = Counter(one["LogGroupName"] for one in filters)
    assert len(per_group) == components + 1
    assert set(per_group.values()) == {len(engine_failures())}
    queries = of_type(outer, "AWS::Logs::QueryDefinition")
    assert max(len(query["LogGroupNames"]) for query in queries) <= 50
    read = [group for query in queries if "/wake-ups" in query["Name"] for group in query["LogGroupNames"]]
    assert sorted(read) == sorted(per_group)
