"""Triggers of the pipeline: a schedule, the alarm on the accept length, and the clean-up after the end of an execution."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_sglang.serving.alarms.alarms import make_alarm
from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.drafts import accept_length_alarm
from cdk_sglang.serving.shared.log_options import LogOptions
from cdk_sglang.serving.shared.own_policy import give
from cdk_sglang.serving.shared.runtime_functions import make_function
from cdk_sglang.serving.shared.scheduled import Schedules, allow, keep_failed_calls, make_failed_queue

if TYPE_CHECKING:
    from aws_cdk import aws_sqs as sqs

    from cdk_sglang.optimization.places import Places
    from cdk_sglang.serving.alarms.choice import Alarms
    from cdk_sglang.spec.alarms import NoAlarms
    from cdk_sglang.spec.speculative import Retrain

_KEEP: Final = cdk.Duration.days(14)
_EVENT_AGE: Final = cdk.Duration.hours(6)
_ATTEMPTS: Final = 20
_DAY_SECONDS: Final = 24 * 3600
_ENDED: Final = ["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"]


def clean_up_after(scope: Construct, places: Places, clean_up: lambda_.Function) -> sqs.Queue:
    """Call the clean-up whenever an execution has ended; return the queue of failed calls.

    An execution cleans up before it ends, but cannot do so if it is aborted or times out.

    Args:
        scope: Parent.
        places: Names and ARNs of the component's pipeline.
        clean_up: The function.
    """
    queue = make_failed_queue(scope, keep=_KEEP)
    role = clean_up.role
    assert role is not None
    give(role, allow(permissions.KEEP_FAILED_EVENTS, [queue.queue_arn]))
    keep_failed_calls(clean_up, queue)
    events.Rule(
        scope,
        "Ended",
        description=f"Cleans up after every run of {places.state_machine_name}, aborted ones too",
        event_pattern=events.EventPattern(
            source=["aws.states"],
            detail_type=["Step Functions Execution Status Change"],
            detail={"stateMachineArn": [places.state_machine_arn], "status": _ENDED},
        ),
        targets=[_target(clean_up, queue)],
    )
    return queue


def start_again(
    scope: Construct,
    places: Places,
    retrain: Retrain,
    *,
    queue: sqs.Queue,
    log_options: LogOptions,
    alarms: Alarms | NoAlarms | None,
) -> None:
    """Train a new draft on a schedule, on the alarm, or on both, and notify of automatically started runs that fail.

    Args:
        scope: Parent.
        places: Names and ARNs of the component's pipeline.
        retrain: Schedule and alarm that start a run.
        queue: Queue of failed calls.
        log_options: Retention, encryption and removal policy of the function's logs.
        alarms: Recipients of the alarm on failed runs.
    """
    function = make_function(
        scope,
        "Start",
        source="speculative_start",
        entry="handle",
        description=f"Starts a run of {places.state_machine_name}, unless one is running",
        timeout=cdk.Duration.minutes(1),
        log_options=log_options,
        statements=[
            allow(("states:ListExecutions", "states:StartExecution"), [places.state_machine_arn]),
            allow(permissions.KEEP_FAILED_EVENTS, [queue.queue_arn]),
        ],
        environment={"STATE_MACHINE": places.state_machine_arn},
    )
    keep_failed_calls(function, queue)
    if retrain.every_days is not None:
        schedules = Schedules(
            scope, function=function, queue=queue, description=f"Trains drafts for {places.target.component_name}"
        )
        days = retrain.every_days
        schedules.add(
            "Retrain",
            expression=f"rate({days} day{'' if days == 1 else 's'})",
            description=f"Trains a new draft for {places.target.component_name}",
            event_age_seconds=int(_EVENT_AGE.to_seconds()),
            attempts=_ATTEMPTS,
            event=json.dumps({"id": "<aws.scheduler.execution-id>", "reason": "schedule"}),
        )
    if retrain.on_alarm:
        events.Rule(
            scope,
            "Alarmed",
            description=f"Trains a new draft when {places.target.component_name} accepts fewer tokens than it did",
            event_pattern=events.EventPattern(
                source=["aws.cloudwatch"],
                detail_type=["CloudWatch Alarm State Change"],
                detail={
                    "alarmName": [accept_length_alarm(places.target.component_name)],
                    "state": {"value": ["ALARM"]},
                },
            ),
            targets=[
                _target(
                    function,
                    queue,
                    event=events.RuleTargetInput.from_object({"id": events.EventField.event_id, "reason": "alarm"}),
                )
            ],
        )
    make_alarm(
        scope,
        "NotTrained",
        choice=alarms,
        description=(
            f"A run of {places.state_machine_name} that a schedule or an alarm started has failed; the endpoint serves as before. Its reason: "
            "cdk-sglang eagle status"
        ),
        namespace="AWS/States",
        metric_name="ExecutionsFailed",
        dimensions={"StateMachineArn": places.state_machine_arn},
        statistic="Sum",
        period_seconds=_DAY_SECONDS,
        evaluation_periods=1,
        threshold=1,
        comparison="GreaterThanOrEqualToThreshold",
    )


def _target(
    function: lambda_.Function, queue: sqs.Queue, *, event: events.RuleTargetInput | None = None
) -> targets.LambdaFunction:
    return targets.LambdaFunction(
        function, dead_letter_queue=queue, max_event_age=_EVENT_AGE, retry_attempts=_ATTEMPTS, event=event
    )
