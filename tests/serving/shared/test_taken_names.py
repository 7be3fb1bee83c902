"""Physical names that meet, in one app."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Annotations, Match

from cdk_sglang import (
    AdapterSource,
    ConfigurationError,
    InferenceComponent,
    InferenceEndpoint,
    LoraOptions,
    ModelSource,
    SglangOptions,
)
from tests.serving.conftest import own_image

MakeEndpoint = Callable[..., InferenceEndpoint]
MODEL = ModelSource.from_s3("s3://models/llama/", check=False)
SOURCE = AdapterSource.from_s3("s3://adapters/a/x.tar.gz")
LORA = SglangOptions(lora=LoraOptions(max_rank=16, target_modules=("all",)))
HERE = cdk.Environment(account="111122223333", region="us-east-1")
RENAME = "too; names are unique per account and Region: rename one"


def _problems(call: Callable[[], object]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        call()
    return list(caught.value.problems)


@pytest.fixture
def prod(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> InferenceEndpoint:
    return any_endpoint("Chat", endpoint_name="prod", image=own_image(stack))


def _with_adapters(endpoint: InferenceEndpoint, construct_id: str) -> InferenceComponent:
    return endpoint.add_component(construct_id, model=MODEL, server=LORA)


def test_an_adapter_and_a_component_of_one_name_are_refused_whichever_comes_first(prod: InferenceEndpoint) -> None:
    llama = _with_adapters(prod, "llama")
    prod.add_component("llama-triage", model=MODEL)
    assert _problems(lambda: llama.add_adapter("triage", SOURCE)) == [
        f"llama.adapters.triage: adapter name 'prod-llama-triage' is that of component Fleet/Chat/llama-triage {RENAME}"
    ]
    llama.add_adapter("x", SOURCE)
    assert _problems(lambda: prod.add_component("llama-x", model=MODEL)) == [
        f"llama-x: component name 'prod-llama-x' is that of adapter Fleet/Chat/llama {RENAME}"
    ]


def test_components_of_two_endpoints_whose_names_meet_are_refused(any_endpoint: MakeEndpoint) -> None:
    any_endpoint("One", endpoint_name="a").add_component("b-c", model=MODEL)
    two = any_endpoint("Two", endpoint_name="a-b")
    assert _problems(lambda: two.add_component("c", model=MODEL)) == [
        f"c: component name 'a-b-c' is that of component Fleet/One/b-c {RENAME}"
    ]
    two.add_component("d", model=MODEL)


@pytest.mark.parametrize("name", ["prod", "Prod"])
def test_two_endpoints_of_one_name_are_refused_over_the_whole_app(
    any_endpoint: MakeEndpoint, prod: InferenceEndpoint, name: str
) -> None:
    app = prod.node.root
    assert isinstance(app, cdk.App)
    other = cdk.Stack(cdk.Stage(app, "Later"), "Other", env=HERE)
    assert _problems(lambda: any_endpoint("Second", scope=other, endpoint_name=name)) == [
        f"Second: endpoint name '{name}' is that of endpoint Fleet/Chat {RENAME}"
    ]
    assert other.node.children == []
    any_endpoint("Second", scope=other, endpoint_name="free")


@pytest.mark.parametrize("env", [cdk.Environment(account="111122223333", region="eu-west-1"), None])
def test_names_of_another_account_or_region_and_of_one_that_is_not_known_do_not_count(
    any_endpoint: MakeEndpoint, prod: InferenceEndpoint, env: cdk.Environment | None
) -> None:
    app = prod.node.root
    assert isinstance(app, cdk.App)
    any_endpoint("Chat", scope=cdk.Stack(app, "Elsewhere", env=env), endpoint_name="prod")


def test_a_stack_without_account_and_region_is_held_to_itself(any_endpoint: MakeEndpoint) -> None:
    stack = cdk.Stack(cdk.App(), "Anywhere")
    any_endpoint("One", scope=stack, endpoint_name="prod")
    (problem,) = _problems(lambda: any_endpoint("Two", scope=stack, endpoint_name="prod"))
    assert problem == f"Two: endpoint name 'prod' is that of endpoint Anywhere/One {RENAME}"


def test_two_stacks_without_account_and_region_may_be_for_one_so_a_common_name_is_a_warning(
    any_endpoint: MakeEndpoint,
) -> None:
    app = cdk.App()
    first, second, known = cdk.Stack(app, "First"), cdk.Stack(app, "Second"), cdk.Stack(app, "Known", env=HERE)
    for stack in (first, second, known):
        any_endpoint("Chat", scope=stack, endpoint_name="prod").add_component("llama", model=MODEL)
    found = [str(entry.entry.data) for entry in Annotations.from_stack(second).find_warning("*", Match.any_value())]
    common = [text.partition(",")[0] for text in found if "that of" in text]
    assert common == [
        "endpoint name 'prod' of Second/Chat is that of endpoint First/Chat too",
        "component name 'prod-llama' of Second/Chat/llama is that of component First/Chat/llama too",
    ]
    for stack in (first, known):
        Annotations.from_stack(stack).has_no_warning("*", Match.string_like_regexp("that of"))


def test_a_construct_that_was_removed_frees_its_name(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    any_endpoint("One", endpoint_name="prod")
    stack.node.try_remove_child("One")
    any_endpoint("Two", endpoint_name="prod")


def test_a_grant_on_all_adapters_that_reaches_a_neighbour_is_refused(prod: InferenceEndpoint, stack: cdk.Stack) -> None:
    caller = iam.Role(stack, "Caller", assumed_by=iam.AccountRootPrincipal())
    llama, big = _with_adapters(prod, "llama"), _with_adapters(prod, "llama-70b")
    llama.add_adapter("triage", SOURCE)
    assert _problems(lambda: llama.grant_invoke_adapters(caller)) == [
        (
            "llama: a grant on all adapters (prod-llama-*) reaches component 'prod-llama-70b' of Fleet/Chat/llama-70b too; rename one, or "
            "grant each adapter alone"
        )
    ]
    assert stack.node.find_child("Caller").node.try_find_child("DefaultPolicy") is None
    big.grant_invoke_adapters(caller)  # reaches nobody else


def test_a_component_that_a_grant_on_all_adapters_would_reach_is_refused(
    prod: InferenceEndpoint, stack: cdk.Stack
) -> None:
    llama = _with_adapters(prod, "llama")
    llama.grant_invoke_adapters(iam.Role(stack, "Caller", assumed_by=iam.AccountRootPrincipal()))
    llama.add_adapter("triage", SOURCE)
    assert _problems(lambda: prod.add_component("llama-70b", model=MODEL)) == [
        (
            "llama-70b: component name 'prod-llama-70b' begins like those of the adapters of Fleet/Chat/llama, and whoever was granted all "
            "of them could invoke it; rename one, or grant each adapter alone"
        )
    ]
