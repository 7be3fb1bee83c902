"""Buckets and keys of another account than the endpoint's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Annotations, Match, Template

from cdk_sglang import AdapterSource, InferenceEndpoint, LoraOptions, ModelSource, SglangOptions
from tests.serving.conftest import own_image
from tests.support.policies import plain

MakeEndpoint = Callable[..., InferenceEndpoint]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HERE = {"AWS": "arn:aws:iam::111122223333:root"}


def _app(stack: cdk.Stack) -> cdk.App:
    app = stack.node.root
    assert isinstance(app, cdk.App)
    return app


def _data(stack: cdk.Stack, account: str) -> tuple[cdk.Stack, s3.Bucket]:
    data = cdk.Stack(_app(stack), "Data", env=cdk.Environment(account=account, region="us-east-1"))
    bucket = s3.Bucket(
        data,
        "Models",
        bucket_name="central-models",
        encryption=s3.BucketEncryption.KMS,
        encryption_key=kms.Key(data, "Key"),
    )
    return data, bucket


def _shared(data: cdk.Stack) -> list[dict[str, Any]]:
    """Return what the bucket's and the key's policies allow to others."""
    template, found = Template.from_stack(data), []
    for kind, name in (("AWS::S3::BucketPolicy", "PolicyDocument"), ("AWS::KMS::Key", "KeyPolicy")):
        for resource in template.find_resources(kind).values():
            found += plain(resource["Properties"][name]["Statement"])
    return [statement for statement in found if statement["Principal"] == HERE]


def _actions(statement: dict[str, Any]) -> set[str]:
    return {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])


def test_the_owner_lets_the_endpoints_account_read_the_model_and_no_more(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    data, bucket = _data(stack, "999999999999")
    any_endpoint().add_component("llama", model=ModelSource.from_bucket(bucket, "llama/"))
    read, listed, decrypt = _shared(data)
    assert _actions(read) == {"s3:GetObject"}
    assert str(read["Resource"]).endswith("/llama/*")
    assert _actions(listed) == {"s3:ListBucket"}
    assert listed["Condition"] == {"StringLike": {"s3:prefix": ["llama/*"]}}
    assert _actions(decrypt) == {"kms:Decrypt"}
    assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}


def test_the_owner_lets_the_endpoints_account_copy_from_hugging_face(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    data, bucket = _data(stack, "999999999999")
    source = ModelSource.from_hugging_face("Qwen/Qwen3-0.6B", revision=COMMIT, bucket=bucket)
    any_endpoint().add_component("qwen", model=source)
    allowed = {action for statement in _shared(data) for action in _actions(statement)}
    assert {"s3:PutObject", "s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:GenerateDataKey"} <= allowed


def test_the_owner_lets_the_endpoints_account_read_the_adapters(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    data, bucket = _data(stack, "999999999999")
    lora = SglangOptions(lora=LoraOptions(max_rank=16, target_modules=("all",)))
    llama = any_endpoint(image=own_image(stack)).add_component(
        "llama", model=ModelSource.from_s3("s3://models/llama/", check=False), server=lora
    )
    llama.add_adapter("triage", AdapterSource.from_bucket(bucket, "adapters/triage.tar.gz"))
    assert "/adapters/*" in json.dumps(_shared(data))


def test_within_one_account_the_owners_policies_stay_as_they_are(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    data, bucket = _data(stack, "111122223333")
    any_endpoint().add_component("llama", model=ModelSource.from_bucket(bucket, "llama/"))
    statements = [s for s in _shared(data) if _actions(s) != {"kms:*"}]
    assert statements == []
    Template.from_stack(data).resource_count_is("AWS::S3::BucketPolicy", 0)


@pytest.mark.parametrize("what", ["bucket", "key"])
def test_what_the_owner_must_allow_is_a_warning_where_his_policy_is_not_of_this_app(
    any_endpoint: MakeEndpoint, stack: cdk.Stack, what: str
) -> None:
    key = kms.Key.from_key_arn(
        stack, "Key", "arn:aws:kms:us-east-1:999999999999:key/11111111-2222-3333-4444-555555555555"
    )
    bucket = s3.Bucket.from_bucket_attributes(
        stack, "Models", bucket_name="central-models", account="999999999999", encryption_key=key
    )
    any_endpoint().add_component("llama", model=ModelSource.from_bucket(bucket, "llama/"))
    Annotations.from_stack(stack).has_warning(
        "/Fleet/Chat", Match.string_like_regexp(f"the policy of {what} .*must allow .* to account 111122223333")
    )
