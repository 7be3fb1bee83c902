"""The role an endpoint runs with."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk.assertions import Template

from cdk_sglang.serving.shared import permissions
from tests.support.policies import plain, policies_of


@pytest.fixture(scope="module")
def statements(chat: Template) -> dict[str, Any]:
    (policy,) = policies_of(chat).values()
    return {s.get("Sid", str(s["Action"])): s for s in policy["Properties"]["PolicyDocument"]["Statement"]}


def test_only_sagemaker_for_this_account_may_take_the_role(chat: Template) -> None:
    (role,) = chat.find_resources("AWS::IAM::Role").values()
    (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {
        "Action": "sts:AssumeRole",
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Condition": {
            "StringEquals": {"aws:SourceAccount": "111122223333"},
            "ArnLike": {
                "aws:SourceArn": {
                    "Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":sagemaker:us-east-1:111122223333:*"]]
                }
            },
        },
    }
    assert "ManagedPolicyArns" not in role["Properties"]


def test_logs_go_to_groups_of_this_endpoint(statements: dict[str, Any]) -> None:
    actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    written = [statement["Resource"] for statement in statements.values() if statement["Action"] == actions]
    group = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/sagemaker"
    assert plain(written) == [
        f"{group}/Endpoints/chat:*",
        [f"{group}/InferenceComponents/chat-llama:*", f"{group}/InferenceComponents/chat-qwen:*"],
    ]


def test_metrics_go_to_sagemakers_namespaces_or_by_otlp_which_has_none(statements: dict[str, Any]) -> None:
    metrics = statements["PublishMetrics"]
    assert (metrics["Action"], metrics["Resource"]) == ("cloudwatch:PutMetricData", "*")
    assert metrics["Condition"] == {
        "StringEqualsIfExists": {"cloudwatch:namespace": list(permissions.METRIC_NAMESPACES)}
    }


def test_a_star_stands_only_where_aws_has_no_resource_type(statements: dict[str, Any]) -> None:
    without_resource_type = {"cloudwatch:PutMetricData", "ecr:GetAuthorizationToken"}
    assert {s["Action"] for s in statements.values() if s["Resource"] == "*"} == without_resource_type


def test_no_action_is_a_wildcard(statements: dict[str, Any]) -> None:
    for statement in statements.values():
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not [action for action in actions if "*" in action]
