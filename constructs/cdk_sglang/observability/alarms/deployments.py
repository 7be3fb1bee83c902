"""An alarm that is on while a deployment runs: nobody is paged for what a deployment does.

EventBridge has no event for inference components, whose updates are most deployments, and SageMaker's status of a component is Updating also
while it scales. The honest sign is CloudFormation's: a function looks at the stacks once a minute. It cannot get stuck: without its data the
alarm is off, and pages go out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge, acknowledge_inline_policy, acknowledge_wildcards
from cdk_sglang.serving.shared.runtime_functions import LogOptions, make_function

NAMESPACE: Final = "cdk-sglang/Deployments"
METRIC: Final = "DeploymentRunning"
_TIMEOUT: Final = cdk.Duration.seconds(50)
_EVENT_SECONDS: Final = 60
_STACK_ID: Final = "CloudFormation completes the ARN of a stack, given by name, with an id that it makes"
_NO_RESOURCE_TYPE: Final = (
    "cloudwatch:PutMetricData has no resource type: "
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html"
)
_KEEP_EVENTS: Final = cdk.Duration.days(1)
_LAST_QUEUE: Final = "it is itself the queue of what could not be delivered"


class DeploymentWatch(Construct):
    """Publishes every minute whether a deployment of an endpoint runs, and has an alarm that is on while one does.

    Args:
        scope: Parent.
        construct_id: Id in the parent.
        endpoint_name: Name of the endpoint.
        stacks: Names of the CloudFormation stacks whose changes are deployments of the endpoint.
        log_options: What becomes of the function's logs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        stacks: Sequence[str],
        log_options: LogOptions,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        arns = [
            stack.format_arn(service="cloudformation", resource="stack", resource_name=f"{one}/*") for one in stacks
        ]
        queue = sqs.Queue(
            self,
            "Failed",
            enforce_ssl=True,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            retention_period=_KEEP_EVENTS,
        )
        acknowledge(queue, ["AwsSolutions-SQS3"], _LAST_QUEUE)
        function = make_function(
            self,
            "Look",
            source="deployment",
            entry="look",
            description=f"Publishes every minute whether a deployment of {endpoint_name} runs",
            timeout=_TIMEOUT,
            log_options=log_options,
            statements=[
                _allow(permissions.READ_OWN_STACK, arns),
                _allow(permissions.KEEP_FAILED_EVENTS, [queue.queue_arn]),
                _allow(
                    permissions.PUBLISH_METRICS,
                    ["*"],
                    conditions={"StringEquals": {"cloudwatch:namespace": NAMESPACE}},
                ),
            ],
            wildcards=arns,
            wildcard_reason=_STACK_ID,
            environment={
                "WATCHED": json.dumps({"endpoint": endpoint_name, "stacks": list(stacks), "namespace": NAMESPACE})
            },
        )
        role, resource = function.role, function.node.default_child
        assert role is not None
        assert isinstance(resource, lambda_.CfnFunction)
        resource.dead_letter_config = lambda_.CfnFunction.DeadLetterConfigProperty(target_arn=queue.queue_arn)
        acknowledge_wildcards(self, role, ["*"], _NO_RESOURCE_TYPE)
        self._schedule(function.function_arn, queue, endpoint_name)
        alarm = cdk.CfnResource(
            self,
            "Running",
            type="AWS::CloudWatch::Alarm",
            properties={
                "AlarmDescription": (
                    f"A deployment of {endpoint_name} runs: while it does, its alarms page nobody. This alarm tells nobody by itself"
                ),
                "Namespace": NAMESPACE,
                "MetricName": METRIC,
                "Dimensions": [{"Name": "EndpointName", "Value": endpoint_name}],
                "Statistic": "Maximum",
                "Period": 60,
                "EvaluationPeriods": 2,
                "DatapointsToAlarm": 1,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": "notBreaching",
            },
        )
        self.alarm_name: str = alarm.ref

    def _schedule(self, function_arn: str, queue: sqs.Queue, endpoint_name: str) -> None:
        stack = cdk.Stack.of(self)
        # A role can be held to a schedule group, not to a schedule:
        # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
        group = stack.format_arn(service="scheduler", resource="schedule-group", resource_name="default")
        role = iam.Role(
            self,
            "ScheduleRole",
            description="Lets EventBridge Scheduler look whether a deployment runs",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": stack.account, "aws:SourceArn": group}},
            ),
        )
        role.add_to_policy(_allow(permissions.INVOKE_FUNCTION, [function_arn]))
        role.add_to_policy(_allow(permissions.KEEP_FAILED_EVENTS, [queue.queue_arn]))
        acknowledge_inline_policy(role)
        cfn = scheduler.CfnSchedule
        schedule = cfn(
            self,
            "EveryMinute",
            description=f"Looks whether a deployment of {endpoint_name} runs",
            schedule_expression="rate(1 minute)",
            flexible_time_window=cfn.FlexibleTimeWindowProperty(mode="OFF"),
            target=cfn.TargetProperty(
                arn=function_arn,
                role_arn=role.role_arn,
                retry_policy=cfn.RetryPolicyProperty(
                    maximum_event_age_in_seconds=_EVENT_SECONDS, maximum_retry_attempts=0
                ),
                dead_letter_config=cfn.DeadLetterConfigProperty(arn=queue.queue_arn),
            ),
        )
        schedule.node.add_dependency(role)


def _allow(
    actions: Sequence[str], resources: Sequence[str], *, conditions: dict[str, Any] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
