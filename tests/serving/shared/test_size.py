"""How much of a stack's room an endpoint takes (`benchmarks/stack_size.py` has the figures of other kinds)."""

from __future__ import annotations

from collections import Counter

import aws_cdk as cdk

from cdk_sglang import Capacity, ComponentScaling, InferenceEndpoint, ModelSource, ServingImage

MODEL = ModelSource.from_s3("s3://models/llama/")
RESOURCES_MAX = 500


def _kinds(count: int, scaling: ComponentScaling | None) -> Counter[str]:
    app = cdk.App()
    stack = cdk.Stack(app, "Fleet", env=cdk.Environment(account="111122223333", region="us-east-1"))
    for number in range(count):
        capacity = Capacity.on_demand("ml.g6e.2xlarge", max_instances=2)
        endpoint = InferenceEndpoint(stack, f"E{number}", capacity=capacity, image=ServingImage.from_dlc())
        endpoint.add_component("llama", model=MODEL, scaling=scaling)
    resources = app.synth().get_stack_by_name("Fleet").template["Resources"].values()
    return Counter(resource["Type"] for resource in resources)


def test_an_endpoint_that_says_nothing_is_no_larger_than_it_was() -> None:
    kinds = _kinds(1, None)
    assert (kinds.total(), kinds["AWS::Lambda::Function"], kinds["AWS::StepFunctions::StateMachine"]) == (17, 2, 0)


def test_thirty_endpoints_that_scale_from_zero_fit_a_stack_and_share_every_function() -> None:
    scaling = ComponentScaling(min_copies=0, max_copies=2, concurrency=4)
    one, three = _kinds(1, scaling), _kinds(3, scaling)
    assert three["AWS::Lambda::Function"] == one["AWS::Lambda::Function"] == 3
    each = (three.total() - one.total()) / 2
    assert one.total() + 29 * each <= RESOURCES_MAX
