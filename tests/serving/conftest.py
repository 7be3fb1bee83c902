"""An endpoint nobody has to describe: what a test does not say does not matter to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk.assertions import Template

from cdk_sglang import Capacity, InferenceComponent, InferenceEndpoint, ModelSource, NoVerification, ServingImage

MakeEndpoint = Callable[..., InferenceEndpoint]
UNVERIFIED = NoVerification(reason="tests/serving/verification is about it, and its functions stand in the way here")
MakeComponent = Callable[..., InferenceComponent]


def own_image(stack: cdk.Stack) -> ServingImage:
    """An image of this project's, which takes adapters."""
    return ServingImage.from_repository(
        ecr.Repository(stack, "Images"), digest=f"sha256:{'a' * 64}", cuda="13.0", sglang_version="0.5.23"
    )


@pytest.fixture
def stack() -> cdk.Stack:
    return cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(account="111122223333", region="us-east-1"))


@pytest.fixture
def any_endpoint(stack: cdk.Stack) -> MakeEndpoint:
    def make(construct_id: str = "Chat", *, scope: cdk.Stack | None = None, **options: Any) -> InferenceEndpoint:
        options.setdefault("capacity", Capacity.on_demand("ml.g6e.12xlarge", max_instances=2))
        options.setdefault("image", ServingImage.from_dlc())
        options.setdefault("endpoint_name", construct_id.lower())
        options.setdefault("verification", UNVERIFIED)
        return InferenceEndpoint(scope or stack, construct_id, **options)

    return make


@pytest.fixture
def any_component(any_endpoint: MakeEndpoint) -> MakeComponent:
    def make(
        construct_id: str = "llama", *, endpoint: InferenceEndpoint | None = None, **options: Any
    ) -> InferenceComponent:
        options.setdefault("model", ModelSource.from_s3("s3://models/llama/", check=False))
        return (endpoint or any_endpoint()).add_component(construct_id, **options)

    return make


@pytest.fixture(scope="session")
def chat() -> Template:
    """An endpoint with two components, everything else by default."""
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(account="111122223333", region="us-east-1"))
    endpoint = InferenceEndpoint(
        stack,
        "Chat",
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
        image=ServingImage.from_dlc(),
        endpoint_name="chat",
        verification=UNVERIFIED,
    )
    endpoint.add_component("llama", model=ModelSource.from_s3("s3://models/llama/", check=False))
    endpoint.add_component("qwen", model=ModelSource.from_s3("s3://models/qwen/", check=False), copies=2)
    return Template.from_stack(stack)
