"""Captured requests: turned on by the component that is trained on them, and by no other."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match, Template

from cdk_sglang import EagleTraining, InferenceEndpoint, ModelSource, SglangOptions, Speculative
from tests.support.policies import policies_of


def _add(endpoint: InferenceEndpoint, bucket: s3.IBucket, name: str, **training: Any) -> None:
    endpoint.add_component(
        name,
        model=ModelSource.from_bucket(
            bucket, f"weights/{name}/", model_id="meta-llama/Llama-3.1-8B-Instruct", check=False
        ),
        server=SglangOptions(tp_size=1, context_length=8192),
        speculative=Speculative(eagle=EagleTraining(max_usd=1, **training)),
    )


@pytest.fixture
def bucket(stack: cdk.Stack) -> s3.IBucket:
    key = kms.Key(stack, "Key")
    return s3.Bucket.from_bucket_attributes(stack, "Weights", bucket_name="weights-bucket", encryption_key=key)


def _capture(stack: cdk.Stack) -> dict[str, Any] | None:
    (config,) = Template.from_stack(stack).find_resources("AWS::SageMaker::EndpointConfig").values()
    found: dict[str, Any] | None = config["Properties"].get("DataCaptureConfig")
    return found


def test_a_training_on_public_data_captures_nothing(stack: cdk.Stack, any_endpoint: Any, bucket: s3.IBucket) -> None:
    _add(any_endpoint(), bucket, "llama", dataset="built_in")
    assert _capture(stack) is None


def test_the_largest_share_that_a_component_asks_for_is_captured(
    stack: cdk.Stack, any_endpoint: Any, bucket: s3.IBucket
) -> None:
    endpoint = any_endpoint()
    for name, percent in (("one", 5), ("two", 20), ("three", 10)):
        _add(endpoint, bucket, name, dataset="captured", sampling_percent=percent)
    found = _capture(stack)
    assert found is not None
    assert found.pop("KmsKeyId")["Fn::GetAtt"][1] == "Arn"
    assert found == {
        "EnableCapture": True,
        "InitialSamplingPercentage": 20,
        "DestinationS3Uri": "s3://weights-bucket/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
    }


def test_the_endpoint_may_write_below_its_own_prefix_alone_and_says_so(
    stack: cdk.Stack, any_endpoint: Any, bucket: s3.IBucket
) -> None:
    _add(any_endpoint(), bucket, "llama", dataset="captured")
    statements = [
        statement
        for policy in policies_of(Template.from_stack(stack)).values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "s3:PutObject"
    ]
    (one,) = statements
    assert json.dumps(one["Resource"]).endswith('weights-bucket/captured/chat/*"]]}')
    words = Match.string_like_regexp("a sample of this endpoint's requests and answers is kept below captured/chat/")
    assert len(Annotations.from_stack(stack).find_info("*", words)) == 1
