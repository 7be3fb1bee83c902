"""What the role of an endpoint may read of S3."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from cdk_sglang import Capacity, InferenceEndpoint, ModelSource
from tests.support.policies import policies_of

MakeEndpoint = Callable[..., InferenceEndpoint]
BIG = Capacity.on_demand("ml.g6e.48xlarge", max_instances=20)


def _statements(template: Template, action: str) -> list[dict[str, Any]]:
    return [
        s
        for p in policies_of(template).values()
        for s in p["Properties"]["PolicyDocument"]["Statement"]
        if s["Action"] == action
    ]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_models_of_one_bucket_share_statements(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    endpoint = any_endpoint(capacity=BIG)
    for index in range(30):
        endpoint.add_component(f"m{index}", model=ModelSource.from_s3(f"s3://models/m{index}/", check=False))
    template = Template.from_stack(stack)
    reading, listing = _statements(template, "s3:GetObject"), _statements(template, "s3:ListBucket")
    assert [len(_as_list(statement["Resource"])) for statement in reading] == [25, 5]
    prefixes = [p for s in listing for p in s["Condition"]["StringLike"]["s3:prefix"]]
    assert prefixes == [f"m{index}/*" for index in range(30)]


def test_every_policy_of_a_hundred_models_keeps_iams_limits(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    endpoint = any_endpoint(capacity=BIG)
    for index in range(100):
        endpoint.add_component(
            f"m{index}",
            model=ModelSource.from_s3(f"s3://a-bucket-with-a-name-of-some-length/weights/model-{index}/", check=False),
        )
    template = Template.from_stack(stack)
    managed = template.find_resources("AWS::IAM::ManagedPolicy").values()
    assert len(managed) <= 10  # that can be attached to a role
    for policy in managed:
        assert len(json.dumps(policy["Properties"]["PolicyDocument"], separators=(",", ":"))) <= 6144
    (inline,) = template.find_resources("AWS::IAM::Policy").values()
    assert len(json.dumps(inline["Properties"]["PolicyDocument"], separators=(",", ":"))) <= 10240


def test_the_same_weights_twice_are_one_permission(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    endpoint = any_endpoint()
    for name in ("one", "two"):
        endpoint.add_component(name, model=ModelSource.from_s3("s3://models/llama/", check=False))
    (statement,) = _statements(Template.from_stack(stack), "s3:GetObject")
    assert len(_as_list(statement["Resource"])) == 1


def test_buckets_are_not_mixed(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    endpoint = any_endpoint()
    bucket = s3.Bucket(stack, "Weights")
    endpoint.add_component("one", model=ModelSource.from_s3("s3://models/llama/", check=False))
    endpoint.add_component("two", model=ModelSource.from_bucket(bucket, "weights/qwen/", check=False))
    listing = _statements(Template.from_stack(stack), "s3:ListBucket")
    assert {json.dumps(s["Resource"]): s["Condition"]["StringLike"]["s3:prefix"] for s in listing} == {
        json.dumps({"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":s3:::models"]]}): ["llama/*"],
        json.dumps(stack.resolve(bucket.bucket_arn)): ["weights/qwen/*"],
    }


def test_models_wait_for_the_policy_that_lets_their_weights_be_read(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    endpoint = any_endpoint(capacity=BIG)
    for index in range(60):
        endpoint.add_component(
            f"m{index}", model=ModelSource.from_s3(f"s3://{'b' * 60}/{'weights/' * 8}m{index}/", check=False)
        )
    template = Template.from_stack(stack)
    policies = {*template.find_resources("AWS::IAM::Policy"), *template.find_resources("AWS::IAM::ManagedPolicy")}
    assert len(policies) > 1
    for model in template.find_resources("AWS::SageMaker::Model").values():
        assert policies <= set(model["DependsOn"])


def test_a_model_added_between_two_synths_is_let_in_too(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    app = stack.node.root
    assert isinstance(app, cdk.App)
    endpoint = any_endpoint()
    endpoint.add_component("one", model=ModelSource.from_s3("s3://models/one/", check=False))
    app.synth()
    endpoint.add_component("two", model=ModelSource.from_s3("s3://models/two/", check=False))
    template = app.synth(force=True).get_stack_by_name("Fleet").template
    assert "models/one/*" in json.dumps(template)
    assert "models/two/*" in json.dumps(template)
