"""Log groups that are there before SageMaker writes to them."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Template

from cdk_sglang import ClinicalTools, ConfigurationError, InferenceComponent, InferenceEndpoint
from cdk_sglang.serving.shared.log_options import LogOptions
from cdk_sglang.serving.shared.runtime_functions import make_log_group as make_function_log_group
from cdk_sglang.spec.log_retention import RETENTION_DAYS


def test_the_allowed_retentions_are_cdks_own() -> None:
    # RetentionDays is an enum by name; its numbers are only known to CDK, and the service has as many.
    assert len(RETENTION_DAYS) == len([day for day in logs.RetentionDays if day is not logs.RetentionDays.INFINITE])
    assert list(RETENTION_DAYS) == sorted(set(RETENTION_DAYS))


def test_a_function_keeps_its_logs_for_as_many_days_as_asked(stack: cdk.Stack) -> None:
    for days in RETENTION_DAYS:
        options = LogOptions(retention_days=days, key=None, removal=cdk.RemovalPolicy.DESTROY)
        make_function_log_group(stack, f"Days{days}-", options)
    groups = Template.from_stack(stack).find_resources("AWS::Logs::LogGroup")
    assert {group["Properties"]["RetentionInDays"] for group in groups.values()} == set(RETENTION_DAYS)
    for name, group in groups.items():
        assert name.startswith(f"Days{group['Properties']['RetentionInDays']}")


def test_groups_have_the_names_sagemaker_writes_to_and_outlive_the_stack(chat: Template) -> None:
    groups = chat.find_resources("AWS::Logs::LogGroup").values()
    assert sorted(group["Properties"]["LogGroupName"] for group in groups) == [
        "/aws/sagemaker/Endpoints/chat",
        "/aws/sagemaker/InferenceComponents/chat-llama",
        "/aws/sagemaker/InferenceComponents/chat-qwen",
    ]
    assert {group["Properties"]["RetentionInDays"] for group in groups} == {30}
    policies = {(group["DeletionPolicy"], group["UpdateReplacePolicy"]) for group in groups}
    assert policies == {
        ("RetainExceptOnCreate", "Retain")
    }  # not one of a first deployment that failed: it would block the next


def test_nothing_starts_before_its_group_is_there(chat: Template) -> None:
    template = chat.to_json()["Resources"]
    groups = {
        resource["Properties"]["LogGroupName"].rpartition("/")[2]: name
        for name, resource in template.items()
        if resource["Type"] == "AWS::Logs::LogGroup"
    }
    endpoint = next(r for r in template.values() if r["Type"] == "AWS::SageMaker::Endpoint")
    assert groups["chat"] in endpoint["DependsOn"]
    for component in (r for r in template.values() if r["Type"] == "AWS::SageMaker::InferenceComponent"):
        assert groups[component["Properties"]["InferenceComponentName"]] in component["DependsOn"]


def test_key_retention_and_removal_reach_every_group(
    any_endpoint: Callable[..., InferenceEndpoint],
    any_component: Callable[..., InferenceComponent],
    stack: cdk.Stack,
) -> None:
    key = kms.Key(stack, "Key")
    any_component(endpoint=any_endpoint(log_key=key, log_retention_days=365, log_removal=cdk.RemovalPolicy.DESTROY))
    groups = Template.from_stack(stack).find_resources("AWS::Logs::LogGroup").values()
    assert len(groups) == 2
    for group in groups:
        assert group["Properties"]["KmsKeyId"] == stack.resolve(key.key_arn)
        assert group["Properties"]["RetentionInDays"] == 365
        assert group["DeletionPolicy"] == "Delete"


@pytest.mark.parametrize("days", [0, 31, -1, 10**6])
def test_rejects_a_retention_the_service_does_not_know(
    any_endpoint: Callable[..., InferenceEndpoint], days: int
) -> None:
    with pytest.raises(ValueError, match=rf"^Chat.log_retention_days: {days} is not allowed; nearest allowed: \d+$"):
        any_endpoint(log_retention_days=days)


def test_a_group_that_cloudformation_names_is_kept_by_a_failed_deployment_too(stack: cdk.Stack) -> None:
    options = LogOptions(retention_days=30, key=None, removal=cdk.RemovalPolicy.RETAIN)
    make_function_log_group(stack, "Logs", options)
    (group,) = Template.from_stack(stack).find_resources("AWS::Logs::LogGroup").values()
    assert "LogGroupName" not in group["Properties"]
    assert group["DeletionPolicy"] == "Retain"


@pytest.mark.parametrize(
    ("retention", "message"),
    [
        (31, "Kept.log_retention_days: 31 is not allowed; nearest allowed: 30"),
        (
            logs.RetentionDays.INFINITE,
            "Kept.log_retention_days: INFINITE is not allowed, retention must be limited; use up to TEN_YEARS (3653)",
        ),
    ],
)
def test_a_retention_that_logs_do_not_have_is_refused_wherever_one_is_given(
    retention: int | logs.RetentionDays, message: str
) -> None:
    stack = cdk.Stack()
    with pytest.raises(ConfigurationError) as error:
        ClinicalTools(stack, "Kept", key=kms.Key(stack, "Key"), log_retention_days=retention)
    assert str(error.value) == message
    assert stack.node.try_find_child("Kept") is None


def test_a_retention_may_be_as_cdk_names_it() -> None:
    stack = cdk.Stack()
    ClinicalTools(stack, "Kept", key=kms.Key(stack, "Key"), log_retention_days=logs.RetentionDays.ONE_WEEK)
    Template.from_stack(stack).has_resource_properties("AWS::Logs::LogGroup", {"RetentionInDays": 7})
