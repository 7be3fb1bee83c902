"""Promotion: one parameter changes, and a rollback is reported."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cdk_sglang._runtime.speculative import promotion, registry
from cdk_sglang._runtime.speculative.ends import BASE_CHANGED, FAILED, PROMOTION_ROLLED_BACK, EndError, Throttled
from tests.runtime.speculative.test_copying import base_hash
from tests.support.speculation import (
    BASE_PREFIX,
    BUCKET,
    COMPONENT,
    NOW,
    PARAMETER,
    RUN,
    VERSION,
    aws,
    config,
    event,
    plenty,
    stubbed,
)

PACKAGE = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{COMPONENT}/1"
VALUE = f"{RUN},{VERSION},EAGLE3,3,1,4,2.40"
REPORT = f"s3://{BUCKET}/speculative/{COMPONENT}/runs/{RUN}/report.json"
DRAFTED = {"algorithm": "EAGLE3", "steps": 3, "topk": 1, "draft_tokens": 4, "bytes": 10, "notes": [], "evaluation": {}}
VERDICT = {"value": VALUE, "model_package_arn": PACKAGE, "report": REPORT, "reasons": ["1.5 times"], "speedup": 1.5}
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/sglang:1"


def live(uri: str = f"s3://{BUCKET}/{BASE_PREFIX}") -> list[Any]:
    """Return what SageMaker answers about the live component and its model."""
    return [
        (
            "describe_inference_component",
            {"InferenceComponentName": COMPONENT},
            {
                "InferenceComponentName": COMPONENT,
                "InferenceComponentArn": "arn:aws:sagemaker:us-east-1:123456789012:inference-component/x",
                "EndpointName": "prod-chat",
                "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/prod-chat",
                "InferenceComponentStatus": "InService",
                "Specification": {"ModelName": "live-model"},
                "CreationTime": NOW,
                "LastModifiedTime": NOW,
            },
        ),
        (
            "describe_model",
            {"ModelName": "live-model"},
            {
                "ModelName": "live-model",
                "ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/live-model",
                "CreationTime": NOW,
                "PrimaryContainer": {
                    "Image": IMAGE,
                    "ModelDataSource": {
                        "S3DataSource": {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
                    },
                },
            },
        ),
    ]


def packages(*runs: str, status: str = registry.PENDING) -> dict[str, Any]:
    return {
        "ModelPackageSummaryList": [
            {
                "ModelPackageArn": PACKAGE,
                "ModelPackageDescription": registry.describes(run),
                "ModelPackageStatus": "Completed",
                "ModelApprovalStatus": status,
                "CreationTime": NOW,
            }
            for run in runs
        ]
    }


def stack(status: str, value: str = "base,,,,,,", **parameters: str) -> dict[str, Any]:
    values = {PARAMETER: value, "BootstrapVersion": "/cdk/version", **parameters}
    return {
        "Stacks": [
            {
                "StackName": "prod-chat",
                "CreationTime": NOW,
                "StackStatus": status,
                "Parameters": [{"ParameterKey": key, "ParameterValue": text} for key, text in values.items() if text],
            }
        ]
    }


UPDATE = {
    "StackName": "prod-chat",
    "UsePreviousTemplate": True,
    "Parameters": [
        {"ParameterKey": PARAMETER, "ParameterValue": VALUE},
        {"ParameterKey": "BootstrapVersion", "UsePreviousValue": True},
    ],
    "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    "ClientRequestToken": RUN,
}


def promoting(s3: Any, *answers: Any, sagemaker: Any = None, state: dict[str, Any] | None = None) -> dict[str, Any]:
    s3.put_object(Bucket=BUCKET, Key=f"{VERSION}version.json", Body=b"{}")
    cloudformation = stubbed(
        "cloudformation", ("describe_stacks", {"StackName": "prod-chat"}, answers[0]), *answers[1:]
    )
    approved = ("update_model_package", {}, {"ModelPackageArn": PACKAGE})
    sagemaker = sagemaker or stubbed("sagemaker", *live(), approved, approved)
    found = event(inputs={"base": {"hash": base_hash(s3)}}, verdict=VERDICT, promotion=state or {})
    clients = aws(s3=s3, cloudformation=cloudformation, sagemaker=sagemaker)
    result = promotion.promote(clients, config(), found, NOW, plenty)
    cloudformation.stubber.assert_no_pending_responses()
    return result


def test_promotion_changes_one_parameter_and_keeps_template_and_others(s3: Any) -> None:
    found = promoting(s3, stack("UPDATE_COMPLETE"), ("update_stack", UPDATE, {"StackId": "id"}))

    assert (found["state"], found["started"], found["value"]) == ("running", True, VALUE)


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([stack("UPDATE_IN_PROGRESS", VALUE)], "running"),
        ([stack("UPDATE_COMPLETE", VALUE)], "done"),
        (
            [stack("UPDATE_COMPLETE"), ("update_stack", {}, ("ValidationError", "No updates are to be performed."))],
            "done",
        ),
        ([stack("CREATE_COMPLETE"), ("update_stack", {}, "TokenAlreadyExistsException")], "running"),
    ],
)
def test_a_second_call_starts_nothing_twice(s3: Any, answers: list[Any], state: str) -> None:
    found = promoting(s3, *answers)

    assert (found["state"], found["started"]) == (state, True)


def test_another_deployment_is_waited_for_and_not_for_ever(s3: Any) -> None:
    found = promoting(s3, stack("UPDATE_IN_PROGRESS"))
    assert (found["state"], found["started"]) == ("running", False)

    start = (NOW - dt.timedelta(hours=5)).isoformat()
    with pytest.raises(EndError, match=r"has been UPDATE_IN_PROGRESS for 5.0 h") as ended:
        promoting(s3, stack("UPDATE_IN_PROGRESS"), state={"asked": start})
    assert ended.value.end == FAILED


def test_a_base_that_was_deployed_anew_during_training_is_refused(s3: Any) -> None:
    with pytest.raises(EndError, match=f"no parameter {PARAMETER} any more") as ended:
        promoting(s3, {"Stacks": [{"StackName": "s", "CreationTime": NOW, "StackStatus": "UPDATE_COMPLETE"}]})
    assert ended.value.end == BASE_CHANGED

    with pytest.raises(EndError, match=r"serves another model") as ended:
        promoting(s3, stack("UPDATE_COMPLETE"), sagemaker=stubbed("sagemaker", *live("s3://weights-1/other/")))
    assert ended.value.end == BASE_CHANGED


def test_base_files_that_changed_are_refused_and_a_version_that_is_not_whole(s3: Any) -> None:
    def call(state: dict[str, Any]) -> None:
        clients = aws(
            s3=s3,
            cloudformation=stubbed("cloudformation", ("describe_stacks", {}, stack("UPDATE_COMPLETE"))),
            sagemaker=stubbed("sagemaker", *live()),
        )
        promotion.promote(clients, config(), event(inputs={"base": state}, verdict=VERDICT), NOW, plenty)

    with pytest.raises(EndError, match=r"has changed since the run began") as ended:
        call({"hash": "another"})
    assert ended.value.end == BASE_CHANGED
    with pytest.raises(EndError, match=r"is not whole: .*version.json is missing"):
        call({"hash": base_hash(s3)})


def test_an_update_that_cloudformation_refuses_rejects_the_version(s3: Any) -> None:
    refused = ("update_stack", {}, ("ValidationError", "stack is in ROLLBACK_COMPLETE state"))

    with pytest.raises(EndError, match=r"ValidationError: stack is in ROLLBACK_COMPLETE state") as ended:
        promoting(s3, stack("ROLLBACK_COMPLETE"), refused)

    assert ended.value.end == FAILED


def test_a_throttled_update_is_left_to_the_state_machine(s3: Any) -> None:
    with pytest.raises(Throttled):
        promoting(s3, stack("UPDATE_COMPLETE"), ("update_stack", {}, "Throttling"))


def watching(*answers: Any) -> dict[str, Any]:
    state = {"started": True, "value": VALUE, "asked": NOW.isoformat(), "state": "running"}
    sagemaker = stubbed("sagemaker", ("update_model_package", {}, {"ModelPackageArn": PACKAGE}))
    clients = aws(cloudformation=stubbed("cloudformation", *answers), sagemaker=sagemaker)
    return promotion.watch(clients, config(), event(verdict=VERDICT, promotion=state), NOW, plenty)


@pytest.mark.parametrize(
    ("status", "state"),
    [("UPDATE_IN_PROGRESS", "running"), ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "done"), ("UPDATE_COMPLETE", "done")],
)
def test_the_update_is_watched_to_its_end(status: str, state: str) -> None:
    assert watching(("describe_stacks", {}, stack(status, VALUE)))["state"] == state


@pytest.mark.parametrize(
    ("status", "step"),
    [("UPDATE_ROLLBACK_COMPLETE", "the version before serves"), ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback")],
)
def test_a_roll_back_is_named_with_cloudformations_reason(status: str, step: str) -> None:
    def failure(minute: int, text: str, name: str) -> dict[str, Any]:
        return {
            "StackId": "id",
            "EventId": name,
            "StackName": "prod-chat",
            "LogicalResourceId": name,
            "Timestamp": NOW + dt.timedelta(minutes=minute),
            "ResourceStatus": "UPDATE_FAILED",
            "ResourceStatusReason": text,
        }

    events = [failure(2, "Resource update cancelled", "Other"), failure(1, "alarm Errors is in ALARM", "Component")]

    with pytest.raises(EndError, match=r"was rolled back: Component: alarm Errors is in ALARM$") as ended:
        watching(
            ("describe_stacks", {}, stack(status)),
            ("describe_stack_events", {}, {"StackEvents": events}),
        )

    assert ended.value.end == PROMOTION_ROLLED_BACK
    assert step in ended.value.next_step


def test_a_stack_that_somebody_else_deployed_meanwhile_is_no_promotion() -> None:
    with pytest.raises(EndError, match=f"is UPDATE_COMPLETE with base,,,,,, instead of {RUN}") as ended:
        watching(("describe_stacks", {}, stack("UPDATE_COMPLETE")))

    assert ended.value.end == FAILED


def test_the_previous_version_is_the_newest_approved_one_that_does_not_serve() -> None:
    listed = packages("r20261101T000000-0002", "r20261001T000000-0001", status=registry.APPROVED)
    parameters = {
        "ModelPackageGroupName": COMPONENT,
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "ModelApprovalStatus": "Approved",
    }

    found = registry.approved_runs(stubbed("sagemaker", ("list_model_packages", parameters, listed)), COMPONENT)

    assert found == ["r20261101T000000-0002", "r20261001T000000-0001"]
