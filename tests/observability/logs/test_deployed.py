"""`EndpointLogs` deployed to the embedded AWS: lines of containers become metrics, and the queries are there."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import aws_cdk as cdk
from aws_cdk.assertions import Template
from moto.cloudwatch.models import cloudwatch_backends

from cdk_sglang.observability.logs.endpoint_logs import EndpointLogs
from cdk_sglang.observability.logs.failures import engine_failures
from localcloud.aws.hosting import logs as container_logs
from localcloud.aws.hosting.store import store
from tests.localcloud.helpers import SESSION
from tests.observability.logs.test_endpoint_logs import observed

COMPONENT = "prod-chat-llama"


def deploy() -> None:
    store("123456789012", "us-east-1")
    logs = SESSION.client("logs")
    for group in ("Endpoints/prod-chat", f"InferenceComponents/{COMPONENT}"):
        logs.create_log_group(logGroupName=f"/aws/sagemaker/{group}")
    stack = cdk.Stack(cdk.App(), "Fleet", synthesizer=cdk.LegacyStackSynthesizer())
    EndpointLogs(stack, "Logs", endpoint=observed("llama"))
    SESSION.client("cloudformation").create_stack(
        StackName="fleet", TemplateBody=json.dumps(Template.from_stack(stack).to_json())
    )


def counted() -> Counter[str]:
    data = cloudwatch_backends["123456789012"]["us-east-1"].metric_data
    return Counter(datum.name for datum in data if datum.namespace == "cdk-sglang/prod-chat" and datum.value)


def test_each_failure_of_a_copy_is_counted_under_its_name(driven: Any) -> None:
    deploy()
    with container_logs.stream("123456789012", "us-east-1", COMPONENT, "copy") as write:
        write("[2026-11-30 12:16:10] The server is fired up and ready to roll!")
        assert counted() == {}
        for failure in engine_failures().values():
            write(failure.terms[0].example)
    assert counted() == {name: 2 if name == "CudaFailure" else 1 for name in engine_failures()}, (
        "an uncorrectable ECC error is an error of CUDA, too"
    )


def test_the_queries_are_saved(driven: Any) -> None:
    deploy()
    saved = SESSION.client("logs").describe_query_definitions()["queryDefinitions"]
    assert len(saved) == 6
    assert {tuple(one["logGroupNames"]) for one in saved} == {
        ("/aws/sagemaker/Endpoints/prod-chat", f"/aws/sagemaker/InferenceComponents/{COMPONENT}")
    }
