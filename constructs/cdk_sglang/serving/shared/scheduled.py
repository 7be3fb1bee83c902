"""Functions that EventBridge Scheduler calls: the role that calls them, their schedules, and the queue of calls that could not be delivered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge, acknowledge_inline_policy
from cdk_sglang.serving.shared.own_policy import give, keep_rights_inside

_LAST_QUEUE: Final = "it is itself the queue of what could not be delivered"


def allow(
    actions: Sequence[str], resources: Sequence[str], *, conditions: dict[str, Any] | None = None
) -> iam.PolicyStatement:
    """Return the statement that allows some actions on some resources.

    Args:
        actions: IAM actions, such as a tuple of `permissions`.
        resources: ARNs.
        conditions: IAM conditions; none by default.
    """
    return iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)


def make_failed_queue(scope: Construct, *, keep: cdk.Duration) -> sqs.Queue:
    """Create the queue of the calls that could not be delivered.

    Args:
        scope: Parent.
        keep: How long the queue keeps a call.
    """
    queue = sqs.Queue(
        scope,
        "Failed",
        enforce_ssl=True,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        retention_period=keep,
    )
    acknowledge(queue, ["AwsSolutions-SQS3"], _LAST_QUEUE)
    return queue


def keep_failed_calls(function: lambda_.Function, queue: sqs.IQueue) -> None:
    """Send calls that the function failed to the queue; the caller must allow `permissions.KEEP_FAILED_EVENTS`.

    CDK's own `dead_letter_queue` would give the role a separate policy.

    Args:
        function: The function.
        queue: The queue.
    """
    resource = function.node.default_child
    assert isinstance(resource, lambda_.CfnFunction)
    resource.dead_letter_config = lambda_.CfnFunction.DeadLetterConfigProperty(target_arn=queue.queue_arn)


class Schedules:
    """Schedules of EventBridge Scheduler that call one function, with a role that may call nothing else.

    Args:
        scope: Parent of the role and the schedules.
        function: The function.
        queue: Queue of calls that could not be delivered.
        description: What the role lets EventBridge Scheduler do.
    """

    def __init__(self, scope: Construct, *, function: lambda_.IFunction, queue: sqs.IQueue, description: str) -> None:
        self._scope, self._function, self._queue = scope, function, queue
        stack = cdk.Stack.of(scope)
        # The trust of a role can be limited to a schedule group, but not to a schedule:
        # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html (read 2026-11)
        group = stack.format_arn(service="scheduler", resource="schedule-group", resource_name="default")
        role = iam.Role(
            scope,
            "ScheduleRole",
            description=description,
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": stack.account, "aws:SourceArn": group}},
            ),
        )
        self._role = keep_rights_inside(role)
        give(self._role, allow(permissions.INVOKE_FUNCTION, [function.function_arn]))
        give(self._role, allow(permissions.KEEP_FAILED_EVENTS, [queue.queue_arn]))
        acknowledge_inline_policy(self._role)

    def add(
        self,
        construct_id: str,
        *,
        expression: str,
        description: str,
        event_age_seconds: int,
        attempts: int,
        event: str | None = None,
    ) -> scheduler.CfnSchedule:
        """Add a schedule.

        Args:
            construct_id: Id of the schedule in the parent.
            expression: EventBridge Scheduler's expression, such as rate(1 hour); cron in UTC.
            description: What the call does.
            event_age_seconds: Maximum age of a call that is still delivered, in seconds.
            attempts: Maximum number of further attempts to deliver a call.
            event: The function's event, as JSON; EventBridge Scheduler's own by default.
        """
        cfn = scheduler.CfnSchedule
        schedule = cfn(
            self._scope,
            construct_id,
            description=description,
            schedule_expression=expression,
            flexible_time_window=cfn.FlexibleTimeWindowProperty(mode="OFF"),
            target=cfn.TargetProperty(
                arn=self._function.function_arn,
                role_arn=self._role.role_arn,
                input=event,
                retry_policy=cfn.RetryPolicyProperty(
                    maximum_event_age_in_seconds=event_age_seconds, maximum_retry_attempts=attempts
                ),
                dead_letter_config=cfn.DeadLetterConfigProperty(arn=self._queue.queue_arn),
            ),
        )
        schedule.node.add_dependency(self._role)
        return schedule
