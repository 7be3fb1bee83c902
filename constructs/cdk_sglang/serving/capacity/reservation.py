"""An endpoint on reserved capacity: its plan is checked before it is used, and watched until it ends.

The plan itself is never bought, extended or deleted here. What the guard does to a live endpoint when it has to leave its plan, and
how that lives with CloudFormation, is in docs/adr/0032-leaving-a-reservation.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk_sglang.serving.capacity.context import ReservedEndpoint
from cdk_sglang.serving.capacity.reservation_alarms import METRIC_NAMESPACE, make_reservation_alarms
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge, acknowledge_inline_policy, acknowledge_wildcards
from cdk_sglang.serving.shared.names import logical_digest
from cdk_sglang.serving.shared.runtime_functions import make_function, make_provider
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns

_HOUR_SECONDS: Final = 3600
_TIMEOUT: Final = cdk.Duration.minutes(2)
_KEEP_EVENTS: Final = cdk.Duration.days(14)
_PREFIX_NAME_LENGTH: Final = 38
"""With "-on-demand-" and 12 hexadecimal digits, names of config copies stay within SageMaker's 63 characters."""

_COPIES: Final = "copies of the endpoint's config are named by their content; the prefix is this endpoint's own"
_CONFIGS: Final = (
    "CloudFormation names the endpoint's configs, and an endpoint that was rolled back runs on an older one"
)
_NO_RESOURCE_TYPE: Final = (
    "the action has no resource type: https://docs.aws.amazon.com/service-authorization/latest/reference/"
    "list_amazonsagemaker.html and list_amazoncloudwatch.html"
)
_LAST_QUEUE: Final = "it is itself the queue of what could not be delivered"


def copy_prefix(endpoint_name: str) -> str:
    """Return the beginning of the names of an endpoint's config copies; SageMaker's ARNs have names in lower case."""
    name = endpoint_name.lower()
    if len(name) > _PREFIX_NAME_LENGTH:
        digest = logical_digest(name).lower()
        name = f"{name[: _PREFIX_NAME_LENGTH - len(digest) - 1].rstrip('-')}-{digest}"
    return f"{name}-on-demand-"


class ReservationGuard(Construct):
    """Checks the plan of an endpoint before a deployment uses it, and looks after it every hour.

    Args:
        scope: The endpoint; the guard's id in it is "Reservation".
        endpoint: Names and options of the endpoint, with its plan.
    """

    def __init__(self, scope: Construct, endpoint: ReservedEndpoint) -> None:
        super().__init__(scope, "Reservation")
        self._endpoint = endpoint
        self._plan = endpoint.reservation
        self._prefix = copy_prefix(endpoint.name)
        self._logs = endpoint.log_options
        stack = cdk.Stack.of(self)
        self._stack_id = stack.stack_id
        arns = SageMakerArns.of(stack)
        self._endpoints = arns.allowed("endpoint", endpoint.name)
        self._copies, self._configs = (arns.written("endpoint-config", name) for name in (f"{self._prefix}*", "*"))

    def check(self, config: object) -> cdk.CustomResource:
        """Create the resource that fails a deployment whose plan cannot be used; every resource that uses the plan depends on it.

        Args:
            config: Resolved properties of the endpoint's config: a change of them uses the plan anew, so the plan is checked anew.
        """
        function = make_function(
            self,
            "Check",
            source="reservation",
            entry="on_event",
            description="Checks that a training plan can be used before an endpoint is deployed on it",
            timeout=_TIMEOUT,
            log_options=self._logs,
            statements=[
                _allow(permissions.READ_TRAINING_PLAN, [self._plan.training_plan]),
                _allow(permissions.READ_OWN_STACK, [self._stack_id]),
                _allow(permissions.READ_ENDPOINT, self._endpoints),
                _allow(permissions.FIND_CONFIG_COPIES, ["*"]),
                _allow(permissions.DELETE_CONFIG_COPIES, [self._copies]),
            ],
            wildcards=[self._copies],
            wildcard_reason=_COPIES,
        )
        role = function.role
        assert role is not None
        acknowledge_wildcards(self, role, ["*"], _NO_RESOURCE_TYPE)
        provider = make_provider(self, "Provider", on_event=function, log_options=self._logs)
        request = {
            "endpoint": self._endpoint.name,
            "plan": self._plan.training_plan,
            "type": self._plan.type.name,
            "count": self._plan.count,
            "until": self._plan.until.isoformat(),
            "prefix": self._prefix,
            "config": hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16],
        }
        resource = cdk.CustomResource(
            self,
            "Checked",
            resource_type="Custom::CdkSglangReservation",
            service_token=provider.service_token,
            properties={"Asked": json.dumps(request)},
        )
        resource.node.add_dependency(role)  # its policy must be in place before the check runs
        return resource

    def watch(self, resource: cdk.CfnResource) -> None:
        """Create the function that looks at the plan every hour, and the alarms on its findings.

        Args:
            resource: The endpoint's CloudFormation resource, which must exist before the first look.
        """
        queue = sqs.Queue(
            self,
            "Failed",
            enforce_ssl=True,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            retention_period=_KEEP_EVENTS,
        )
        acknowledge(queue, ["AwsSolutions-SQS3"], _LAST_QUEUE)
        function = self._look(queue)
        schedule = self._schedule(function, queue)
        schedule.add_resource_dependency(resource)
        make_reservation_alarms(self, self._endpoint)

    def _look(self, queue: sqs.Queue) -> lambda_.Function:
        endpoint, move = self._endpoint, self._endpoint.move
        watched: dict[str, Any] = {
            "endpoint": endpoint.name,
            "plan": self._plan.training_plan,
            "prefix": self._prefix,
        }
        statements = [
            _allow(permissions.READ_TRAINING_PLAN, [self._plan.training_plan]),
            _allow(permissions.READ_ENDPOINT, self._endpoints),
            _allow(permissions.READ_ENDPOINT_CONFIGS, [self._configs]),
            _allow(permissions.KEEP_FAILED_EVENTS, [queue.queue_arn]),
            _allow(
                permissions.PUBLISH_METRICS,
                ["*"],
                conditions={"StringEquals": {"cloudwatch:namespace": METRIC_NAMESPACE}},
            ),
        ]
        if move is not None:
            watched |= {"hours_before": move.hours_before, "max_instances": move.max_instances}
            statements += [
                _allow(permissions.READ_CONFIG_TAGS, [self._configs]),
                _allow(permissions.COPY_CONFIG, [self._copies]),
                _allow(permissions.UPDATE_ENDPOINT, [*self._endpoints, self._copies]),
                _allow(
                    permissions.PASS_EXECUTION_ROLE,
                    [endpoint.role_arn],
                    conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
                ),
            ]
        function = make_function(
            self,
            "Look",
            source="reservation",
            entry="look",
            description="Looks at the training plan of an endpoint every hour, and leaves it in time when that is asked for",
            timeout=_TIMEOUT,
            log_options=self._logs,
            statements=statements,
            wildcards=[self._configs, *([self._copies] if move is not None else [])],
            wildcard_reason=f"{_CONFIGS}; {_COPIES}",
            environment={"WATCHED": json.dumps(watched)},
        )
        role, resource = function.role, function.node.default_child
        assert role is not None
        assert isinstance(resource, lambda_.CfnFunction)
        acknowledge_wildcards(self, role, ["*"], _NO_RESOURCE_TYPE)
        resource.dead_letter_config = lambda_.CfnFunction.DeadLetterConfigProperty(target_arn=queue.queue_arn)
        return function

    def _schedule(self, function: lambda_.Function, queue: sqs.Queue) -> scheduler.CfnSchedule:
        stack = cdk.Stack.of(self)
        # A role can be held to a schedule group, not to a schedule:
        # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
        group = stack.format_arn(service="scheduler", resource="schedule-group", resource_name="default")
        role = iam.Role(
            self,
            "ScheduleRole",
            description="Lets EventBridge Scheduler look at the training plan of an endpoint",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": stack.account, "aws:SourceArn": group}},
            ),
        )
        role.add_to_policy(_allow(permissions.INVOKE_FUNCTION, [function.function_arn]))
        role.add_to_policy(_allow(permissions.KEEP_FAILED_EVENTS, [queue.queue_arn]))
        acknowledge_inline_policy(role)
        cfn = scheduler.CfnSchedule
        schedule = cfn(
            self,
            "Hourly",
            description=f"Looks at the training plan of {self._endpoint.name}",
            schedule_expression="rate(1 hour)",
            flexible_time_window=cfn.FlexibleTimeWindowProperty(mode="OFF"),
            target=cfn.TargetProperty(
                arn=function.function_arn,
                role_arn=role.role_arn,
                input=json.dumps({"time": "<aws.scheduler.scheduled-time>"}),
                retry_policy=cfn.RetryPolicyProperty(
                    maximum_event_age_in_seconds=_HOUR_SECONDS, maximum_retry_attempts=3
                ),
                dead_letter_config=cfn.DeadLetterConfigProperty(arn=queue.queue_arn),
            ),
        )
        schedule.node.add_dependency(role)
        return schedule


def _allow(
    actions: Sequence[str], resources: Sequence[str], *, conditions: dict[str, Any] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
