"""An endpoint on reserved capacity: its plan is checked before it is used, and monitored until it ends.

The plan itself is never bought, extended or deleted here. docs/adr/0032-leaving-a-reservation.md describes what the guard does to a live
endpoint that must leave its plan, and how that works together with CloudFormation.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk_sglang.serving.capacity.context import ReservedEndpoint
from cdk_sglang.serving.capacity.reservation_alarms import METRIC_NAMESPACE, make_reservation_alarms
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.custom_resources import make_answering_function
from cdk_sglang.serving.shared.names import logical_digest
from cdk_sglang.serving.shared.runtime_functions import make_function
from cdk_sglang.serving.shared.sagemaker_arns import SageMakerArns
from cdk_sglang.serving.shared.scheduled import Schedules, allow, keep_failed_calls, make_failed_queue

_HOUR_SECONDS: Final = 3600
_TIMEOUT: Final = cdk.Duration.minutes(4)
_SERVICE_TIMEOUT: Final = cdk.Duration.minutes(10)
_KEEP_EVENTS: Final = cdk.Duration.days(14)
_PREFIX_NAME_LENGTH: Final = 38
"""Maximum length of the endpoint's part: with "-on-demand-" and 12 hexadecimal digits, names of config copies then stay within SageMaker's 63
characters."""

_COPY_DIGITS: Final = 12
"""Number of hexadecimal digits at the end of a copy's name (_runtime/reservation/move.py). A policy has one `?` for each: with `*`, copies of
the endpoint `chat-on-demand` would match those of `chat`."""
_CONFIGS: Final = (
    "CloudFormation names the endpoint's configs, and an endpoint that was rolled back runs on an older one"
)
_NO_RESOURCE_TYPE: Final = (
    "the action has no resource type: https://docs.aws.amazon.com/service-authorization/latest/reference/"
    "list_amazonsagemaker.html and list_amazoncloudwatch.html"
)


def copy_prefix(endpoint_name: str) -> str:
    """Return the name prefix of an endpoint's config copies; SageMaker writes names in ARNs in lower case."""
    name = endpoint_name.lower()
    if len(name) > _PREFIX_NAME_LENGTH:
        digest = logical_digest(name).lower()
        name = f"{name[: _PREFIX_NAME_LENGTH - len(digest) - 1].rstrip('-')}-{digest}"
    return f"{name}-on-demand-"


class ReservationGuard(Construct):
    """Checks the plan of an endpoint before a deployment uses it, and monitors it every hour.

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
        copies = f"{self._prefix}{'?' * _COPY_DIGITS}"
        self._copies, self._configs = (arns.written("endpoint-config", name) for name in (copies, "*"))

    def check(self, config: object) -> cdk.CustomResource:
        """Create the resource that fails a deployment whose plan cannot be used; every resource that uses the plan depends on it.

        Args:
            config: Resolved properties of the endpoint's config: a change of them uses the plan again, so the plan is checked again.
        """
        function = make_answering_function(
            self,
            "Check",
            source="reservation",
            description="Checks that a training plan can be used before an endpoint is deployed on it",
            timeout=_TIMEOUT,
            log_options=self._logs,
            statements=[
                allow(permissions.READ_TRAINING_PLAN, [self._plan.training_plan]),
                allow(permissions.READ_OWN_STACK, [self._stack_id]),
                allow(permissions.READ_ENDPOINT, self._endpoints),
                allow(permissions.FIND_CONFIG_COPIES, ["*"]),
                allow(permissions.DELETE_CONFIG_COPIES, [self._copies]),
            ],
        )
        role = function.role
        assert role is not None
        acknowledge_wildcards(self, role, ["*"], _NO_RESOURCE_TYPE)
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
            service_token=function.function_arn,
            service_timeout=_SERVICE_TIMEOUT,
            properties={"Asked": json.dumps(request)},
        )
        resource.node.add_dependency(role)  # its policy must be in place before the check runs
        return resource

    def watch(self, resource: cdk.CfnResource) -> None:
        """Create the function that checks the plan every hour, and the alarms on its findings.

        Args:
            resource: The endpoint's CloudFormation resource, which must exist before the first check.
        """
        queue = make_failed_queue(self, keep=_KEEP_EVENTS)
        function = self._look(queue)
        schedules = Schedules(
            self,
            function=function,
            queue=queue,
            description="Lets EventBridge Scheduler look at the training plan of an endpoint",
        )
        schedule = schedules.add(
            "Hourly",
            expression="rate(1 hour)",
            description=f"Looks at the training plan of {self._endpoint.name}",
            event_age_seconds=_HOUR_SECONDS,
            attempts=3,
            event=json.dumps({"time": "<aws.scheduler.scheduled-time>"}),
        )
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
            allow(permissions.READ_TRAINING_PLAN, [self._plan.training_plan]),
            allow(permissions.READ_ENDPOINT, self._endpoints),
            allow(permissions.READ_ENDPOINT_CONFIGS, [self._configs]),
            allow(permissions.KEEP_FAILED_EVENTS, [queue.queue_arn]),
            allow(
                permissions.PUBLISH_METRICS,
                ["*"],
                conditions={"StringEquals": {"cloudwatch:namespace": METRIC_NAMESPACE}},
            ),
        ]
        if move is not None:
            watched |= {"hours_before": move.hours_before, "max_instances": move.max_instances}
            statements += [
                allow(permissions.READ_CONFIG_TAGS, [self._configs]),
                allow(permissions.COPY_CONFIG, [self._copies]),
                allow(permissions.UPDATE_ENDPOINT, [*self._endpoints, self._copies]),
                allow(
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
            wildcards=[self._configs],
            wildcard_reason=_CONFIGS,
            environment={"WATCHED": json.dumps(watched)},
        )
        role = function.role
        assert role is not None
        acknowledge_wildcards(self, role, ["*"], _NO_RESOURCE_TYPE)
        keep_failed_calls(function, queue)
        return function
