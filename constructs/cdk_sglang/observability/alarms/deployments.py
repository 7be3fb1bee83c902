"""An alarm that is on while a deployment runs, so that effects of the deployment page nobody.

EventBridge has no event for inference components, whose updates are most deployments, and SageMaker's status of a component is Updating also
while it scales. CloudFormation's status is reliable, so a function checks the stacks once a minute. The alarm cannot get stuck: without data it is
off, and pages are sent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from constructs import Construct

from cdk_sglang.observability.alarms.catalogue import DEPLOYMENT_METRIC
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.log_options import LogOptions
from cdk_sglang.serving.shared.runtime_functions import make_function
from cdk_sglang.serving.shared.scheduled import Schedules, allow, keep_failed_calls, make_failed_queue

NAMESPACE: Final = "cdk-sglang/Deployments"
_TIMEOUT: Final = cdk.Duration.seconds(50)
_EVENT_SECONDS: Final = 60
_STACK_ID: Final = "CloudFormation completes the ARN of a stack, given by name, with an id that it makes"
_NO_RESOURCE_TYPE: Final = (
    "cloudwatch:PutMetricData has no resource type: "
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html"
)
_KEEP_EVENTS: Final = cdk.Duration.days(1)


class DeploymentWatch(Construct):
    """Publishes every minute whether a deployment of an endpoint runs, with an alarm that is on while one does.

    Args:
        scope: Parent.
        construct_id: Id in the parent.
        endpoint_name: Name of the endpoint.
        stacks: Names of the CloudFormation stacks whose changes are deployments of the endpoint.
        log_options: Retention, encryption and removal policy of the function's logs.
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
        queue = make_failed_queue(self, keep=_KEEP_EVENTS)
        function = make_function(
            self,
            "Look",
            source="deployment",
            entry="look",
            description=f"Publishes every minute whether a deployment of {endpoint_name} runs",
            timeout=_TIMEOUT,
            log_options=log_options,
            statements=[
                allow(permissions.READ_OWN_STACK, arns),
                allow(permissions.KEEP_FAILED_EVENTS, [queue.queue_arn]),
                allow(
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
        role = function.role
        assert role is not None
        keep_failed_calls(function, queue)
        acknowledge_wildcards(self, role, ["*"], _NO_RESOURCE_TYPE)
        schedules = Schedules(
            self,
            function=function,
            queue=queue,
            description="Lets EventBridge Scheduler look whether a deployment runs",
        )
        schedules.add(
            "EveryMinute",
            expression="rate(1 minute)",
            description=f"Looks whether a deployment of {endpoint_name} runs",
            event_age_seconds=_EVENT_SECONDS,
            attempts=0,
        )
        alarm = cdk.CfnResource(
            self,
            "Running",
            type="AWS::CloudWatch::Alarm",
            properties={
                "AlarmDescription": (
                    f"A deployment of {endpoint_name} runs: while it does, its alarms page nobody. This alarm tells nobody by itself"
                ),
                "Namespace": NAMESPACE,
                "MetricName": DEPLOYMENT_METRIC,
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
