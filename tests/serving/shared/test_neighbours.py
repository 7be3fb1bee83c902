"""What one endpoint's roles may do, where another one's name begins as its own does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from cdk_sglang import (
    AdapterSource,
    Capacity,
    ComponentScaling,
    Concurrency,
    ConfigurationError,
    InferenceEndpoint,
    LoraOptions,
    ModelSource,
    SglangOptions,
    Verification,
)
from tests.serving.conftest import own_image
from tests.support.policies import Rights, documents

MakeEndpoint = Callable[..., InferenceEndpoint]
MODEL = ModelSource.from_s3("s3://models/llama/", check=False)
LORA = SglangOptions(lora=LoraOptions(max_rank=16, target_modules=("all",)))
ADAPTER = AdapterSource.from_s3("s3://adapters/a/own.tar.gz")
BOUNDS = ComponentScaling(min_copies=1, max_copies=2, target=Concurrency(requests_per_copy=4))
COMPONENT = "arn:aws:sagemaker:us-east-1:111122223333:inference-component/{}"
STREAM = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/sagemaker/InferenceComponents/{}:log-stream:AllTraffic/i-1"


def _fleet(any_endpoint: MakeEndpoint, stack: cdk.Stack, *adapters: str, name: str = "prod-chat") -> InferenceEndpoint:
    endpoint = any_endpoint("Chat", endpoint_name=name, image=own_image(stack), verification=Verification())
    llama = endpoint.add_component("llama", model=MODEL, server=LORA, scaling=BOUNDS)
    for adapter in adapters:
        llama.add_adapter(adapter, AdapterSource.from_s3(f"s3://adapters/a/{adapter}.tar.gz"))
    return endpoint


@pytest.mark.parametrize(
    ("role", "action", "arn"),
    [
        ("CdkSglangTruthLookRole", "sagemaker:InvokeEndpoint", COMPONENT),
        ("CdkSglangTruthLookRole", "sagemaker:DescribeInferenceComponent", COMPONENT),
        ("CdkSglangCopiesFunctionRole", "sagemaker:DescribeInferenceComponent", COMPONENT),
        ("ChatExecutionRole", "logs:PutLogEvents", STREAM),
    ],
)
def test_a_role_reaches_its_own_components_and_none_of_an_endpoint_whose_name_begins_alike(
    any_endpoint: MakeEndpoint, stack: cdk.Stack, role: str, action: str, arn: str
) -> None:
    _fleet(any_endpoint, stack, "triage").add_component("qwen", model=MODEL, scaling=BOUNDS)
    rights = Rights(stack, role)
    own = ["prod-chat-llama", "prod-chat-qwen"]
    if "Truth" in role:
        own.append("prod-chat-llama-triage")
    for name in own:
        assert rights.permits(action, arn.format(name)), name
    for name in ("prod-chat-eu-llama", "prod-chat-llama-2", "prod-chat-llama-other", "prod-chat"):
        assert not rights.permits(action, arn.format(name)), name


def test_what_is_added_after_a_template_was_looked_at_is_allowed_too(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    endpoint = _fleet(any_endpoint, stack)
    app = stack.node.root
    assert isinstance(app, cdk.App)
    app.synth()
    endpoint.add_component("late", model=MODEL)
    app.synth(force=True)
    assert Rights(stack, "CdkSglangTruthLookRole").permits(
        "sagemaker:InvokeEndpoint", COMPONENT.format("prod-chat-late")
    )


def test_the_adapters_that_the_verification_asks_are_named_and_no_others(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    names = [f"a{number}" for number in range(30)]
    _fleet(any_endpoint, stack, *names)
    rights = Rights(stack, "CdkSglangTruthLookRole")
    permissions = [
        rights.permits("sagemaker:InvokeEndpoint", COMPONENT.format(f"prod-chat-llama-{name}")) for name in names
    ]
    assert sum(permissions) == 20


def test_a_fleet_too_large_for_iam_has_a_pattern_for_the_adapters_of_each_component(
    any_endpoint: MakeEndpoint, stack: cdk.Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdk_sglang.serving.verification.endpoint_check._NAMES_MAX", 3)
    _fleet(any_endpoint, stack, "a", "b", "c").add_component("qwen", model=MODEL)
    rights = Rights(stack, "CdkSglangTruthLookRole")
    assert rights.permits("sagemaker:InvokeEndpoint", COMPONENT.format("prod-chat-llama-c"))
    assert not rights.permits("sagemaker:InvokeEndpoint", COMPONENT.format("prod-chat-qwen-c"))


@pytest.mark.parametrize("too_many", [False, True], ids=["by name", "by pattern"])
def test_the_verification_asks_an_adapter_with_a_name_of_its_own(
    any_endpoint: MakeEndpoint, stack: cdk.Stack, monkeypatch: pytest.MonkeyPatch, *, too_many: bool
) -> None:
    if too_many:
        monkeypatch.setattr("cdk_sglang.serving.verification.endpoint_check._NAMES_MAX", 1)
    llama = _fleet(any_endpoint, stack).components["llama"]
    llama.add_adapter("triage", ADAPTER, adapter_name="triage-v3")
    rights = Rights(stack, "CdkSglangTruthLookRole")
    allowed = [
        rights.permits("sagemaker:InvokeEndpoint", COMPONENT.format(name))
        for name in ("prod-chat-llama", "triage-v3", "triage-v2", "prod-chat-llama-triage")
    ]
    assert allowed == [True, True, False, False]


@pytest.mark.parametrize("granted_first", [False, True])
def test_a_grant_on_all_adapters_reaches_those_with_names_of_their_own(
    any_endpoint: MakeEndpoint, stack: cdk.Stack, *, granted_first: bool
) -> None:
    llama = _fleet(any_endpoint, stack, "plain").components["llama"]
    caller = iam.Role(stack, "Caller", assumed_by=iam.AccountRootPrincipal())
    steps: list[Callable[[], object]] = [
        lambda: llama.add_adapter("triage", ADAPTER, adapter_name="triage-v3"),
        lambda: llama.grant_invoke_adapters(caller),
    ]
    for step in reversed(steps) if granted_first else steps:
        step()
    rights = Rights(stack, caller)
    reached = [
        rights.permits("sagemaker:InvokeEndpoint", COMPONENT.format(name))
        for name in ("triage-v3", "prod-chat-llama-plain", "triage-v2", "prod-chat-llama")
    ]
    assert reached == [True, True, False, False]


def test_a_name_of_its_own_among_those_of_another_components_adapters_is_refused(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    endpoint = _fleet(any_endpoint, stack)
    endpoint.components["llama"].grant_invoke_adapters(iam.Role(stack, "Caller", assumed_by=iam.AccountRootPrincipal()))
    qwen = endpoint.add_component("qwen", model=MODEL, server=LORA)
    with pytest.raises(ConfigurationError, match="begins like those of the adapters of Fleet/Chat/llama"):
        qwen.add_adapter("triage", ADAPTER, adapter_name="prod-chat-llama-triage")


def test_a_role_of_many_long_names_stays_within_iams_limits(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    many = Capacity.on_demand("ml.g6e.48xlarge", max_instances=10)
    endpoint = any_endpoint("Chat", endpoint_name="p" * 40, capacity=many, verification=Verification())
    for number in range(60):
        endpoint.add_component(f"component-number-{number:04}", model=MODEL)
    template = Template.from_stack(stack)
    for role in ("CdkSglangTruthLookRole", "ChatExecutionRole"):
        inline, *managed = _sizes(documents(template, role))
        assert inline <= 10_240
        assert len(managed) <= 10
        assert all(size <= 6_144 for size in managed)


def _sizes(found: list[dict[str, Any]]) -> list[int]:
    """Return the characters of documents, without white space as IAM counts them."""
    return [len(json.dumps(document, separators=(",", ":"))) for document in found]
