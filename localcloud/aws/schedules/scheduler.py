"""EventBridge Scheduler: schedules run as time passes; a failed delivery is retried, then sent to the dead-letter queue."""

from __future__ import annotations

import functools
import json
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import ServiceException
from moto.scheduler.exceptions import ValidationException
from moto.scheduler.models import EventBridgeSchedulerBackend, scheduler_backends
from werkzeug.exceptions import HTTPException

from localcloud.aws.clock import clock
from localcloud.aws.compute import invocations
from localcloud.aws.door import permissions
from localcloud.aws.schedules import expressions

_BACK_OFF_S, _BACK_OFF_MAX_S = 60, 3600
"""Seconds between two attempts, doubled each time. AWS says only that it backs off exponentially."""
_ACTIONS = {"lambda": "lambda:InvokeFunction", "sqs": "sqs:SendMessage", "sns": "sns:Publish"}
"""Right of the schedule's role by service of the target, and of the dead-letter queue
(https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html and configuring-schedule-dlq.html, read 2026-12)."""
_lock = threading.Lock()


@dataclass(kw_only=True)
class _Delivery:
    """One run of a schedule on its way to the target; times are seconds on the clock."""

    schedule: Any
    account: str
    moment: float
    due: float
    attempt: int = 0
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


def tick() -> None:
    """Deliver every run that has become due."""
    with _lock:
        ready = [delivery for found in scheduler_backends.iter_backends() for delivery in _ready(*found)]
    for delivery in ready:
        invocations.background(functools.partial(_deliver, delivery))


def _ready(account: str, _: str, backend: Any) -> list[_Delivery]:
    now = clock().now()
    waiting: list[_Delivery] = backend.__dict__.setdefault("waiting", [])
    for group in backend.schedule_groups.values():
        for schedule in list(group.schedules.values()):
            waiting += [_Delivery(schedule=schedule, account=account, moment=m, due=m) for m in _due(schedule, now)]
            if schedule.action_after_completion == "DELETE" and _completed(schedule, now):
                del group.schedules[schedule.name]
    ready = [delivery for delivery in waiting if delivery.due <= now]
    backend.waiting = [delivery for delivery in waiting if delivery.due > now]
    return ready


def _due(schedule: Any, now: float) -> list[float]:
    after, schedule.checked = schedule.checked, now
    if schedule.state == "DISABLED":
        return []
    start, end = expressions.seconds(schedule.start_date), expressions.seconds(schedule.end_date)
    plan = expressions.parse(schedule.schedule_expression, schedule.schedule_expression_timezone)
    moments = plan.due(after, now, anchor=schedule.put_at if start is None else start)
    once = plan.at is not None  # a one-time schedule has no use for start and end
    return [m for m in moments if once or ((start is None or m >= start) and (end is None or m <= end))]


def _completed(schedule: Any, now: float) -> bool:
    plan = expressions.parse(schedule.schedule_expression, schedule.schedule_expression_timezone)
    last = plan.at if plan.at is not None else expressions.seconds(schedule.end_date)
    return last is not None and last <= now


def _deliver(delivery: _Delivery) -> None:
    target = delivery.schedule.target
    delivery.attempt += 1
    payload = _payload(delivery)
    try:
        _send(delivery.account, target["Arn"], payload, role=target.get("RoleArn", ""))
    except invocations.InvokeError as error:
        _retry_or_drop(delivery, payload, error)


def _send(account: str, arn: str, payload: str, *, role: str) -> None:
    service, region = arn.split(":")[2:4]
    denial = permissions.denial_of_role(role, _ACTIONS[service], arn) if service in _ACTIONS else None
    if denial is not None:
        raise invocations.InvokeError("AccessDeniedException", denial)
    if service == "lambda":
        invocations.submit(invocations.find(account, region, arn), payload)
        return
    if service not in ("sqs", "sns"):
        raise invocations.InvokeError("NotSupported", f"the embedded AWS delivers to Lambda, SQS and SNS, not to {arn}")
    try:
        invocations.send(account, arn, payload, {})
    except (HTTPException, ServiceException) as error:
        raise invocations.InvokeError(type(error).__name__, str(error)) from error


def _payload(delivery: _Delivery) -> str:
    moment = _stamp(delivery.moment)
    text = delivery.schedule.target.get("Input")
    if text is None:  # the event that EventBridge Scheduler sends to targets without an input
        event = {
            "version": "0", "id": delivery.id, "detail-type": "Scheduled Event", "source": "aws.scheduler",
            "account": delivery.account, "time": moment, "region": delivery.schedule.arn.split(":")[3],
            "resources": [delivery.schedule.arn], "detail": "{}",
        }  # fmt: skip
        return json.dumps(event)
    context = {
        "schedule-arn": delivery.schedule.arn,
        "scheduled-time": moment,
        "execution-id": delivery.id,
        "attempt-number": str(delivery.attempt),
    }
    for name, value in context.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return str(text)


def _retry_or_drop(delivery: _Delivery, payload: str, error: invocations.InvokeError) -> None:
    schedule = delivery.schedule
    policy = schedule.target["RetryPolicy"]
    wait = min(_BACK_OFF_MAX_S, _BACK_OFF_S * 2 ** (delivery.attempt - 1))
    too_often = delivery.attempt > int(policy.get("MaximumRetryAttempts", 185))
    too_old = clock().now() + wait - delivery.moment > int(policy.get("MaximumEventAgeInSeconds", 86400))
    if not too_often and not too_old:
        delivery.due = clock().now() + wait
        with _lock:
            scheduler_backends[delivery.account][schedule.arn.split(":")[3]].waiting.append(delivery)
        return
    attributes = {
        "ERROR_CODE": error.code,
        "ERROR_MESSAGE": str(error),
        "EXECUTION_ID": delivery.id,
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts" if too_often else "MaximumEventAgeInSeconds",
        "RETRY_ATTEMPTS": str(delivery.attempt - 1),
        "SCHEDULED_TIME": _stamp(delivery.moment),
        "SCHEDULE_ARN": schedule.arn,
        "TARGET_ARN": schedule.target["Arn"],
    }
    arn = schedule.target.get("DeadLetterConfig", {}).get("Arn")
    if arn and permissions.denial_of_role(schedule.target.get("RoleArn", ""), _ACTIONS["sqs"], arn) is None:
        invocations.send(delivery.account, arn, payload, attributes)


def _stamp(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _check(request: dict[str, Any]) -> None:
    try:
        expressions.parse(request["schedule_expression"], request.get("schedule_expression_timezone"))
    except expressions.ScheduleError as error:
        raise ValidationException(str(error)) from error
    if request["target"].get("Input") and request["target"]["Arn"].split(":")[2] == "lambda":
        try:
            json.loads(request["target"]["Input"])
        except ValueError as error:
            raise ValidationException(f"Invalid Input: {error}") from error


def _create_schedule(self: Any, **request: Any) -> Any:
    _check(request)
    return _begin(_moto_create(self, **request))


def _update_schedule(self: Any, **request: Any) -> Any:
    _check(request)
    return _begin(_moto_update(self, **request))


def _begin(schedule: Any) -> Any:
    """Count from now; a rate without a start date is due at once."""
    schedule.put_at = clock().now()
    schedule.checked = schedule.put_at - (1e-3 if schedule.schedule_expression.startswith("rate") else 0)
    return schedule


_moto_create = EventBridgeSchedulerBackend.create_schedule
_moto_update = EventBridgeSchedulerBackend.update_schedule


def install() -> None:
    """Replace moto's handling of schedules by this one."""
    EventBridgeSchedulerBackend.create_schedule = _create_schedule
    EventBridgeSchedulerBackend.update_schedule = _update_schedule
