"""Scheduled actions: they move the bounds of a scalable target, and the number of copies follows."""

from __future__ import annotations

from typing import Any

from moto.applicationautoscaling import models
from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.core.exceptions import JsonRESTError

from localcloud.aws.clock import clock
from localcloud.aws.hosting.store import LOCK, stores
from localcloud.aws.schedules import expressions


def tick() -> None:
    """Run every action that has become due."""
    with LOCK:
        for state in stores():
            backend = models.applicationautoscaling_backends[state.account][state.region]
            for action in list(backend.scheduled_actions):
                if _is_due(action):
                    _move_bounds(backend, action)


def _is_due(action: Any) -> bool:
    now, after = clock().now(), action.checked
    action.checked = now
    start, end = expressions.seconds(action.start_time), expressions.seconds(action.end_time)
    moments = expressions.parse(action.schedule, action.timezone).due(after, now, anchor=start or action.put_at)
    return any((start is None or moment >= start) and (end is None or moment <= end) for moment in moments)


def _move_bounds(backend: Any, action: Any) -> None:
    target = backend.targets.get(action.scalable_dimension, {}).get(action.resource_id)
    if target is None or (target.suspended_state or {}).get("ScheduledScalingSuspended"):
        return
    low, high = _bounds(action.scalable_target_action or {})
    low, high = target.min_capacity if low is None else low, target.max_capacity if high is None else high
    if low <= high:  # otherwise the action fails, as on AWS, and the bounds are kept
        target.update(low, high, None)


def _bounds(action: dict[str, Any]) -> tuple[int | None, int | None]:
    low, high = action.get("MinCapacity"), action.get("MaxCapacity")
    return None if low is None else int(low), None if high is None else int(high)


def _put(
    self: Any,
    service_namespace: str,
    schedule: str,
    timezone: str | None,
    scheduled_action_name: str,
    resource_id: str,
    scalable_dimension: str,
    start_time: Any,
    end_time: Any,
    scalable_target_action: dict[str, Any] | None,
) -> None:
    """PutScheduledAction: check the action, and start counting."""
    if resource_id not in self.targets.get(scalable_dimension, {}):
        raise JsonRESTError("ObjectNotFoundException", f"No scalable target registered for {resource_id}")
    try:
        if schedule:
            expressions.parse(schedule, timezone)
    except expressions.ScheduleError as error:
        raise AWSValidationException(str(error)) from error
    low, high = _bounds(scalable_target_action or {})
    if low is not None and high is not None and low > high:
        raise AWSValidationException("Maximum capacity cannot be less than minimum capacity")
    arguments = (schedule, timezone, scheduled_action_name, resource_id, scalable_dimension, start_time, end_time)
    _moto_put(self, service_namespace, *arguments, scalable_target_action)
    key = (service_namespace, scheduled_action_name, resource_id, scalable_dimension)
    for action in self.scheduled_actions:
        if key == (
            action.service_namespace, action.scheduled_action_name, action.resource_id, action.scalable_dimension
        ):  # fmt: skip
            action.checked = action.put_at = clock().now()


def _deregister(self: Any, namespace: str, r_id: str, dimension: str) -> None:
    """DeregisterScalableTarget: delete the scheduled actions of the target too."""
    _moto_deregister(self, namespace, r_id, dimension)
    self.scheduled_actions = [
        a for a in self.scheduled_actions if (a.resource_id, a.scalable_dimension) != (r_id, dimension)
    ]


_moto_put = models.ApplicationAutoscalingBackend.put_scheduled_action
_moto_deregister = models.ApplicationAutoscalingBackend.deregister_scalable_target


def install() -> None:
    """Replace moto's scheduled actions by these."""
    models.ApplicationAutoscalingBackend.put_scheduled_action = _put
    models.ApplicationAutoscalingBackend.deregister_scalable_target = _deregister
