"""What waits for what, where an author states a dependency."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template
from constructs import Construct

from cdk_sglang import InferenceEndpoint, ModelSource, Verification

MakeEndpoint = Callable[..., InferenceEndpoint]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Waits:
    """Which resources of a stack wait for which, references and what is between them included; fails where that is a circle."""

    def __init__(self, stack: cdk.Stack) -> None:
        self.resources: dict[str, Any] = Template.from_stack(stack).to_json()["Resources"]
        self._before: dict[str, set[str]] = {}
        for name in self.resources:
            self._all_before(name, ())

    def _all_before(self, name: str, above: tuple[str, ...]) -> set[str]:
        assert name not in above, f"a circle: {(*above, name)}"
        if name not in self._before:
            direct = set(_references(self.resources[name])) & set(self.resources)
            self._before[name] = direct.union(*(self._all_before(one, (*above, name)) for one in direct))
        return self._before[name]

    def of(self, kind: str, text: str = "") -> list[str]:
        return [
            name
            for name, resource in self.resources.items()
            if resource["Type"] == kind and text in f"{name}{resource.get('Properties')}"
        ]

    def one(self, kind: str, text: str = "") -> str:
        (name,) = self.of(kind, text)
        return name

    def waits(self, who: str, whom: str) -> bool:
        return whom in self._before[who]


def _references(resource: dict[str, Any]) -> Iterator[str]:
    depends = resource.get("DependsOn", [])
    yield from [depends] if isinstance(depends, str) else depends
    yield from _within(resource.get("Properties", {}))


def _within(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            if key == "Ref":
                yield part
            elif key == "Fn::GetAtt":
                yield part[0]
            else:
                yield from _within(part)
    elif isinstance(value, list):
        for part in value:
            yield from _within(part)


def step(stack: Construct, construct_id: str) -> cdk.CfnResource:
    """A resource of the author's own, which other things wait for or which waits for them."""
    return cdk.CfnResource(stack, construct_id, type="AWS::CloudFormation::WaitConditionHandle")


@pytest.fixture
def endpoint(any_endpoint: MakeEndpoint) -> InferenceEndpoint:
    return any_endpoint("Chat", verification=Verification())


def model(name: str) -> ModelSource:
    return ModelSource.from_s3(f"s3://models/{name}/")


def test_what_a_component_waits_for_holds_back_its_model_and_the_check_of_its_weights_and_no_neighbour(
    endpoint: InferenceEndpoint, stack: cdk.Stack
) -> None:
    upload = step(stack, "Upload")
    endpoint.add_component("llama", model=model("llama")).node.add_dependency(upload)
    endpoint.add_component("qwen", model=model("qwen"))
    found = Waits(stack)
    for kind, text in (
        ("AWS::SageMaker::Model", "llama/"),
        ("AWS::SageMaker::InferenceComponent", "chat-llama"),
        ("Custom::CdkSglangWeights", "llama/"),
        ("Custom::CdkSglangTruth", "chat-llama"),
    ):
        assert found.waits(found.one(kind, text), "Upload"), kind
    for kind, text in (
        ("AWS::SageMaker::Model", "qwen/"),
        ("AWS::SageMaker::InferenceComponent", "chat-qwen"),
        ("Custom::CdkSglangWeights", "qwen/"),
        ("Custom::CdkSglangTruth", "chat-qwen"),
        ("AWS::SageMaker::Endpoint", ""),
    ):
        assert not found.waits(found.one(kind, text), "Upload"), kind
    own = found.one("Custom::CdkSglangWeights", "llama/")
    assert found.waits(found.one("AWS::SageMaker::Model", "llama/"), own)


def test_a_single_component_that_waits_leaves_no_empty_resources_behind(
    endpoint: InferenceEndpoint, stack: cdk.Stack
) -> None:
    endpoint.add_component("llama", model=model("llama")).node.add_dependency(step(stack, "Upload"))
    found = Waits(stack)
    assert found.waits(found.one("Custom::CdkSglangWeights"), "Upload")
    assert found.one("Custom::CdkSglangTruth").startswith("ChatTruth0")


def test_two_components_of_one_model_are_checked_once_for_those_that_do_not_wait(
    endpoint: InferenceEndpoint, stack: cdk.Stack
) -> None:
    endpoint.add_component("llama", model=model("llama")).node.add_dependency(step(stack, "Upload"))
    endpoint.add_component("same", model=model("llama"))
    found = Waits(stack)
    checks = found.of("Custom::CdkSglangWeights")
    assert sorted(found.waits(check, "Upload") for check in checks) == [False, True]
    assert not found.waits(found.one("AWS::SageMaker::InferenceComponent", "chat-same"), "Upload")


@pytest.mark.parametrize("on", ["endpoint", "part"])
def test_what_an_endpoint_or_what_it_is_in_waits_for_holds_back_the_check_of_weights_too(
    any_endpoint: MakeEndpoint, stack: cdk.Stack, on: str
) -> None:
    part = Construct(stack, "Part")
    endpoint = any_endpoint("Chat", scope=part, verification=Verification())
    endpoint.add_component("llama", model=model("llama"))
    any_endpoint("Other").add_component("qwen", model=model("qwen"))
    {"endpoint": endpoint, "part": part}[on].node.add_dependency(step(stack, "Upload"))
    found = Waits(stack)
    assert found.waits(found.one("Custom::CdkSglangWeights", "llama/"), "Upload")
    assert not found.waits(found.one("Custom::CdkSglangWeights", "qwen/"), "Upload")


def test_whoever_waits_for_a_component_waits_for_its_verification(
    endpoint: InferenceEndpoint, stack: cdk.Stack
) -> None:
    llama = endpoint.add_component("llama", model=model("llama"))
    after = step(stack, "After")
    after.node.add_dependency(llama)
    found = Waits(stack)
    assert found.waits("After", found.one("Custom::CdkSglangTruth"))
    assert found.waits("After", found.one("AWS::SageMaker::InferenceComponent"))


def test_whoever_waits_for_a_component_without_verification_waits_for_it(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    llama = any_endpoint("Chat").add_component("llama", model=model("llama"))
    step(stack, "After").node.add_dependency(llama)
    found = Waits(stack)
    assert found.waits("After", found.one("AWS::SageMaker::InferenceComponent"))


def test_components_may_wait_for_each_other_on_one_endpoint(endpoint: InferenceEndpoint, stack: cdk.Stack) -> None:
    first, second, third = (endpoint.add_component(name, model=model(name)) for name in ("a1", "b2", "c3"))
    first.node.add_dependency(step(stack, "Upload"))  # the first waits too
    second.node.add_dependency(third)
    between = step(stack, "Between")
    between.node.add_dependency(first)
    third.node.add_dependency(between)
    found = Waits(stack)  # without a circle
    verifications = {name: found.one("Custom::CdkSglangTruth", f"chat-{name}") for name in ("a1", "b2", "c3")}
    second_component = found.one("AWS::SageMaker::InferenceComponent", "chat-b2")
    assert found.waits(second_component, verifications["c3"])
    assert found.waits(verifications["c3"], verifications["a1"])
    assert not found.waits(verifications["a1"], verifications["c3"])


def test_a_component_whose_resource_alone_waits_for_a_neighbour_makes_no_circle(
    endpoint: InferenceEndpoint, stack: cdk.Stack
) -> None:
    first = endpoint.add_component("a1", model=model("a1"))
    endpoint.add_component("b2", model=model("b2"))._resource.node.add_dependency(first)
    found = Waits(stack)
    assert found.waits(
        found.one("AWS::SageMaker::InferenceComponent", "chat-b2"), found.one("Custom::CdkSglangTruth", "chat-a1")
    )


def test_endpoints_of_one_stack_may_wait_for_each_other(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    first = any_endpoint("One", verification=Verification())
    first.add_component("llama", model=model("llama"))
    second = any_endpoint("Two", verification=Verification())
    second.add_component("qwen", model=model("qwen"))
    second.node.add_dependency(first)
    found = Waits(stack)
    assert found.waits(found.one("Custom::CdkSglangWeights", "qwen/"), found.one("Custom::CdkSglangTruth", "one-llama"))


def test_a_copy_from_hugging_face_waits_unless_others_need_the_same_copy(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    bucket = s3.Bucket(stack, "Weights")
    endpoint = any_endpoint("Chat")
    source = ModelSource.from_hugging_face("Qwen/Qwen3-8B", revision=COMMIT, bucket=bucket)
    endpoint.add_component("qwen", model=source).node.add_dependency(step(stack, "Secret"))
    shared = ModelSource.from_hugging_face("Qwen/Qwen3-4B", revision=COMMIT, bucket=bucket)
    endpoint.add_component("one", model=shared).node.add_dependency(step(stack, "Upload"))
    endpoint.add_component("two", model=shared)
    found = Waits(stack)
    copies = found.of("Custom::CdkSglangBuild", "Qwen3-8B")
    assert copies
    assert all(found.waits(copy, "Secret") for copy in copies)
    assert not any(found.waits(copy, "Upload") for copy in found.of("Custom::CdkSglangBuild", "Qwen3-4B"))
    assert found.waits(found.one("AWS::SageMaker::InferenceComponent", "chat-one"), "Upload")
    assert not found.waits(found.one("AWS::SageMaker::InferenceComponent", "chat-two"), "Upload")


def test_a_stack_in_which_nothing_waits_is_as_without_it(endpoint: InferenceEndpoint, stack: cdk.Stack) -> None:
    for name in ("a1", "b2"):
        endpoint.add_component(name, model=model(name))
    found = Waits(stack)
    assert len(found.of("Custom::CdkSglangWeights")) == 1
    assert len(found.of("Custom::CdkSglangTruth")) == 1
