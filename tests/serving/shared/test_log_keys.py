"""Policies of keys under which log groups are encrypted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Annotations, Match, Template

from cdk_sglang import InferenceEndpoint, ModelSource, Verification
from cdk_sglang.serving.shared.log_keys import LOG_KEY_WARNING
from tests.support.policies import plain

MakeEndpoint = Callable[..., InferenceEndpoint]
FOREIGN = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"


def _app(stack: cdk.Stack) -> cdk.App:
    app = stack.node.root
    assert isinstance(app, cdk.App)
    return app


def _of_logs(stack: cdk.Stack) -> list[dict[str, Any]]:
    keys = Template.from_stack(stack).find_resources("AWS::KMS::Key").values()
    statements = [s for key in keys for s in plain(key["Properties"]["KeyPolicy"]["Statement"])]
    return [s for s in statements if "Service" in s["Principal"]]


def test_a_key_of_the_app_lets_cloudwatch_logs_use_it_once_whoever_encrypts_with_it(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    shared = cdk.Stack(_app(stack), "Shared", env=cdk.Environment(account="111122223333", region="us-east-1"))
    key = kms.Key(shared, "LogKey")
    for name in ("One", "Two"):
        endpoint = any_endpoint(name, log_key=key, verification=Verification())
        endpoint.add_component("llama", model=ModelSource.from_s3("s3://models/llama/"))
    (statement,) = _of_logs(shared)
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "logs.us-east-1.amazonaws.com"},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {
            "ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:us-east-1:111122223333:log-group:*"}
        },
    }
    Annotations.from_stack(stack).has_no_warning("*", Match.string_like_regexp("log_key .* is not of this app"))


def test_where_the_key_is_not_of_the_app_synth_says_what_its_policy_must_allow(
    any_endpoint: MakeEndpoint, stack: cdk.Stack
) -> None:
    any_endpoint(log_key=kms.Key.from_key_arn(stack, "Foreign", FOREIGN))
    Annotations.from_stack(stack).has_warning(
        "/Fleet/Chat",
        Match.string_like_regexp(
            "log_key Fleet/Foreign is not of this app.* kms:DescribeKey to logs.us-east-1.amazonaws.com"
        ),
    )


def test_whoever_has_seen_to_the_policy_acknowledges_the_warning(any_endpoint: MakeEndpoint, stack: cdk.Stack) -> None:
    cdk.Annotations.of(stack).acknowledge_warning(LOG_KEY_WARNING, "the policy names CloudWatch Logs")
    any_endpoint(log_key=kms.Key.from_key_arn(stack, "Foreign", FOREIGN))
    Annotations.from_stack(stack).has_no_warning("*", Match.string_like_regexp("log_key .* is not of this app"))
