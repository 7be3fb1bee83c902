"""ARNs in policies, as SageMaker writes them."""

from __future__ import annotations

import datetime as dt
import json
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
    InferenceComponent,
    InferenceEndpoint,
    InferenceRoute,
    LoraOptions,
    ModelSource,
    OnDemandMove,
    RouteDestination,
    SglangOptions,
)
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from tests.localcloud.helpers import any_component as live_component
from tests.localcloud.helpers import any_endpoint as live_endpoint
from tests.serving.conftest import own_image
from tests.support.policies import Rights, plain, policies_of

ACCOUNT = "123456789012"  # of the embedded AWS
PLAN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-plan/june"
MODEL = ModelSource.from_s3("s3://models/llama/", check=False)
LORA = SglangOptions(lora=LoraOptions(max_rank=16, target_modules=("all",)))
BOUNDS = ComponentScaling(min_copies=1, max_copies=2, target=Concurrency(requests_per_copy=4))


@pytest.fixture
def stack() -> cdk.Stack:
    return cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))


@pytest.fixture
def live(sagemaker: Any, driven: Any) -> Any:
    """The embedded AWS with an endpoint whose name has capitals."""
    live_endpoint(sagemaker, "Prod-Chat")
    driven.advance(5)
    return sagemaker


@pytest.fixture
def capitals(stack: cdk.Stack) -> dict[str, iam.Role]:
    """Everything that writes an ARN, under names with capitals; and whom it was granted to."""
    image, capacity = own_image(stack), Capacity.on_demand("ml.g6e.48xlarge", max_instances=2)
    endpoint = InferenceEndpoint(stack, "Chat", capacity=capacity, image=image, endpoint_name="Prod-Chat")
    llama = endpoint.add_component("Llama", model=MODEL, server=LORA, scaling=BOUNDS)
    shared = endpoint.add_component("Qwen", model=MODEL, component_name="Shared-Qwen", scaling=BOUNDS)
    adapter = llama.add_adapter("Triage", AdapterSource.from_s3("s3://adapters/a/triage.tar.gz"))
    until, move = dt.date(2027, 1, 31), OnDemandMove(max_instances=1)
    reserved = Capacity.reserved(PLAN, "ml.p5en.48xlarge", 1, until=until, on_expiry=move)
    InferenceEndpoint(stack, "Reserved", capacity=reserved, image=image, endpoint_name="Prod-Reserved")
    route = InferenceRoute(
        stack,
        "Route",
        parameter_name="/routes/chat",
        destinations=[
            RouteDestination(endpoint_name="Prod-Chat", component_name="Prod-Chat-Llama"),
            RouteDestination(endpoint_name="Prod-Chat", component_name="Shared-Qwen"),
        ],
    )
    grants = {
        "endpoint": endpoint.grant_invoke,
        "component": shared.grant_invoke,
        "adapter": adapter.grant_invoke,
        "adapters": llama.grant_invoke_adapters,
        "route": route.grant_invoke,
    }
    roles = {name: iam.Role(stack, f"Caller-{name}", assumed_by=iam.AccountRootPrincipal()) for name in grants}
    for name, grant in grants.items():
        grant(roles[name])
    return roles


def _statements(stack: cdk.Stack) -> list[dict[str, Any]]:
    policies = policies_of(Template.from_stack(stack)).values()
    return [plain(s) for policy in policies for s in policy["Properties"]["PolicyDocument"]["Statement"]]


def _sagemakers(statement: dict[str, Any]) -> list[str]:
    resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    return [arn for arn in resources if str(arn).startswith("arn:aws:sagemaker:")]


@pytest.mark.usefixtures("capitals")
def test_every_statement_that_names_something_of_sagemaker_names_it_in_lower_case(stack: cdk.Stack) -> None:
    named = [arns for statement in _statements(stack) if (arns := _sagemakers(statement))]
    text = json.dumps(named)
    for name in ("endpoint/prod-chat", "endpoint/prod-reserved", "component/prod-chat-llama", "component/shared-qwen"):
        assert name in text
    for arns in named:
        assert {arn.lower() for arn in arns} <= set(arns)


def test_arns_of_constructs_are_as_sagemaker_answers_them(stack: cdk.Stack, capitals: dict[str, iam.Role]) -> None:
    assert capitals
    endpoint = stack.node.find_child("Chat")
    assert isinstance(endpoint, InferenceEndpoint)
    shown = [endpoint.endpoint_arn, *(c.component_arn for c in endpoint.components.values())]
    shown += [a.adapter_arn for c in endpoint.components.values() for a in c.adapters.values()]
    assert [plain(stack.resolve(arn)).rpartition(":")[2] for arn in shown] == [
        "endpoint/prod-chat",
        "inference-component/prod-chat-llama",
        "inference-component/shared-qwen",
        "inference-component/prod-chat-llama-triage",
    ]


@pytest.mark.parametrize(
    ("who", "may", "may_not"),
    [
        ("endpoint", ["Prod-Chat-Llama", "Shared-Qwen"], ["Other-Llama"]),
        ("component", ["Shared-Qwen"], ["Prod-Chat-Llama", "Shared-Qwen-2"]),
        ("adapter", ["Prod-Chat-Llama-Triage"], ["Prod-Chat-Llama", "Prod-Chat-Llama-Other"]),
        ("adapters", ["Prod-Chat-Llama-Triage", "Prod-Chat-Llama-Other"], ["Prod-Chat-Llama", "Shared-Qwen"]),
        ("route", ["Prod-Chat-Llama", "Shared-Qwen"], ["Prod-Chat-Llama-Triage"]),
    ],
)
def test_whom_a_grant_names_may_invoke_what_the_embedded_aws_serves(
    capitals: dict[str, iam.Role],
    live: Any,
    who: str,
    may: list[str],
    may_not: list[str],
) -> None:
    stack = cdk.Stack.of(capitals[who])
    rights = Rights(stack, capitals[who])

    def permitted(arn: str) -> bool:
        return rights.permits("sagemaker:InvokeEndpoint", arn)

    assert permitted(live.describe_endpoint(EndpointName="Prod-Chat")["EndpointArn"])
    for name in (*may, *may_not):
        live_component(live, name, endpoint="Prod-Chat")
        arn = live.describe_inference_component(InferenceComponentName=name)["InferenceComponentArn"]
        assert arn.endswith(f"/{name.lower()}")
        assert permitted(arn) == (name in may), name


def test_a_name_that_is_known_at_deployment_stays_as_it_is(stack: cdk.Stack) -> None:
    name = cdk.CfnParameter(stack, "Name").value_as_string
    (arn,) = SageMakerArns.of(stack).allowed("endpoint", name)
    assert plain(stack.resolve(arn)).endswith(":endpoint/Name")


def test_a_derived_name_is_in_lower_case_and_leaves_room_for_components_and_adapters(stack: cdk.Stack) -> None:
    def new_component(construct_id: str, scope: cdk.Stack) -> InferenceComponent:
        endpoint = InferenceEndpoint(
            scope, construct_id, capacity=Capacity.on_demand("ml.g6e.2xlarge", max_instances=1), image=own_image(scope)
        )
        return endpoint.add_component("llama-3-70b", model=MODEL, server=LORA)

    nested = cdk.NestedStack(stack, "Part")
    names = []
    for construct_id, scope in (("Assistants" * 9, stack), ("日本", nested), ("a", cdk.Stack(stack, "Inner"))):
        component = new_component(construct_id, scope)
        name = component.endpoint.endpoint_name
        assert name == name.lower()
        assert len(name) <= 24
        adapter = component.add_adapter("customer-support-v12", AdapterSource.from_s3("s3://adapters/a/b.tar.gz"))
        assert len(adapter.adapter_name) <= 63
        names.append(name)
    assert len(set(names)) == 3
