"""When the showback function runs: every few minutes for a sample, once a day for reports."""

from __future__ import annotations

import json
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_inline_policy

REPORT_AT: Final = "cron(0 1 * * ? *)"
"""In UTC: an hour after the day's end, when CloudWatch has the requests of its last hour."""
_HOUR_SECONDS: Final = 3600


def make_schedules(scope: Construct, *, function: lambda_.IFunction, queue: sqs.IQueue, sample_minutes: int) -> None:
    """Create both schedules, and the role with which EventBridge Scheduler calls the function.

    Args:
        scope: Parent.
        function: The function.
        queue: Queue of what could not be delivered.
        sample_minutes: Minutes between two samples.
    """
    stack = cdk.Stack.of(scope)
    # A role can be held to a schedule group, not to a schedule:
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    group = stack.format_arn(service="scheduler", resource="schedule-group", resource_name="default")
    role = iam.Role(
        scope,
        "ScheduleRole",
        description="Lets EventBridge Scheduler call the showback function",
        assumed_by=iam.ServicePrincipal(
            "scheduler.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": stack.account, "aws:SourceArn": group}},
        ),
    )
    for actions, arn in (
        (permissions.INVOKE_FUNCTION, function.function_arn),
        (permissions.KEEP_FAILED_EVENTS, queue.queue_arn),
    ):
        role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=[arn]))
    acknowledge_inline_policy(role)
    every = f"rate({sample_minutes} minute{'s' if sample_minutes > 1 else ''})"
    cfn = scheduler.CfnSchedule
    for construct_id, job, expression, description in (
        ("Sampling", "sample", every, "Samples what endpoints run on"),
        ("Reporting", "report", REPORT_AT, "Reports what endpoints cost on the day that is over"),
    ):
        schedule = cfn(
            scope,
            construct_id,
            description=description,
            schedule_expression=expression,
            flexible_time_window=cfn.FlexibleTimeWindowProperty(mode="OFF"),
            target=cfn.TargetProperty(
                arn=function.function_arn,
                role_arn=role.role_arn,
                input=json.dumps({"do": job, "time": "<aws.scheduler.scheduled-time>"}),
                retry_policy=cfn.RetryPolicyProperty(
                    maximum_event_age_in_seconds=_HOUR_SECONDS, maximum_retry_attempts=3
                ),
                dead_letter_config=cfn.DeadLetterConfigProperty(arn=queue.queue_arn),
            ),
        )
        schedule.node.add_dependency(role)
