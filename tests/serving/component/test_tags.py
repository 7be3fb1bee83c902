"""Tags of CDK reach everything that an endpoint or a component makes, and nothing that it shares with others."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from cdk_sglang import AdapterSource, Capacity, InferenceComponent, LoraOptions, ModelSource, SglangOptions
from tests.serving.conftest import MakeEndpoint, own_image

LORA = LoraOptions(max_rank=16, target_modules=("all",))


def _component(any_endpoint: MakeEndpoint, stack: cdk.Stack, **more: Any) -> InferenceComponent:
    """A component between two others, with models of its own for each of two instance types."""
    types = ["ml.g6e.12xlarge", "ml.g6e.2xlarge"]
    endpoint = any_endpoint(
        "Chat", endpoint_name="chat", image=own_image(stack), capacity=Capacity.pool(types, max_instances=9)
    )
    for name in ("first", "llama", "last"):
        model = ModelSource.from_s3(f"s3://models/{name}/", check=name == "last")
        splits = {"tp_size_by_type": {types[0]: 2}} if name == "llama" else {}
        endpoint.add_component(name, model=model, server=SglangOptions(lora=LORA), **splits)
    component = endpoint.components["llama"]
    component.add_adapter("triage", AdapterSource.from_s3("s3://adapters/a/triage.tar.gz"))
    return component


def _tags(stack: cdk.Stack, name: str = "") -> dict[str, dict[str, str]]:
    """Tags by logical id of what has some, of all whose ids have a name in them."""
    resources = Template.from_stack(stack).to_json()["Resources"]
    return {
        logical_id: {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
        for logical_id, resource in resources.items()
        if name in logical_id and isinstance(resource.get("Properties", {}).get("Tags"), list)
    }


def test_tags_of_a_component_are_those_of_its_models_logs_and_adapters(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    component = _component(any_endpoint, stack)
    cdk.Tags.of(component).add("owner", "search")
    tagged = _tags(stack, "llama")
    assert len(tagged) == 5, "two models, the component, its log group and its adapter"
    assert {tags.get("owner") for tags in tagged.values()} == {"search"}
    assert all("owner" not in tags for logical_id, tags in _tags(stack).items() if logical_id not in tagged)


def test_tags_of_an_endpoint_are_those_of_all_that_it_makes_and_a_components_own_win(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    component = _component(any_endpoint, stack)
    cdk.Tags.of(component).add("owner", "search")
    cdk.Tags.of(component.endpoint).add("owner", "platform")
    cdk.Tags.of(component.endpoint).add("secret", "no")
    cdk.Tags.of(component).remove("secret")
    found = _tags(stack)
    own = _tags(stack, "llama")
    assert {tags.get("owner") for tags in own.values()} == {"search"}
    assert {tags.get("secret") for tags in own.values()} == {None}
    others = {name: tags for name, tags in found.items() if name.startswith("Chat") and name not in own}
    assert len(others) > 8
    assert {(tags.get("owner"), tags.get("secret")) for tags in others.values()} == {("platform", "no")}


@pytest.mark.parametrize("kept_out", ["AWS::SageMaker::Model", "AWS::Logs::LogGroup"])
def test_a_kind_that_a_tag_leaves_out_is_left_out(any_endpoint: MakeEndpoint, stack: cdk.Stack, kept_out: str) -> None:
    component = _component(any_endpoint, stack)
    cdk.Tags.of(component).add("owner", "search", exclude_resource_types=[kept_out])
    resources = Template.from_stack(stack).to_json()["Resources"]
    without = {resources[name]["Type"] for name, tags in _tags(stack, "llama").items() if "owner" not in tags}
    assert without == {kept_out}


def test_cdk_takes_an_endpoint_and_a_component_for_what_has_tags(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    component = _component(any_endpoint, stack)
    for construct, value in ((component, "search"), (component.endpoint, "platform")):
        tags = cdk.TagManager.of(construct)
        assert tags is not None
        tags.set_tag("owner", value)
    owners = {name: tags["owner"] for name, tags in _tags(stack).items() if "owner" in tags}
    assert sorted(owners.values()) == ["platform", "search"], "of the resources themselves, and no others"
