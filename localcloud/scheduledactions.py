"""Scheduled actions of Application Auto Scaling: they move a target's bounds, and the copies follow into them."""

from __future__ import annotations

from typing import Any

from moto.applicationautoscaling import models
from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.core.exceptions import JsonRESTError

from localcloud import schedules
from localcloud.clock import clock
from localcloud.store import LOCK, stores


def tick() -> None:
    """Do what has become due."""
    with LOCK:
        for state in stores():
            backend = models.applicationautoscaling_backends[state.account][state.region]
            for action in list(backend.scheduled_actions):
                if _is_due(action):
                    _move_bounds(backend, action)


def _is_due(action: Any) -> bool:
    now, after = clock().now(), action.checked
    action.checked = now
    start, end = schedules.seconds(action.start_time), schedules.seconds(action.end_time)
    moments = schedules.parse(action.schedule, action.timezone).due(after, now, anchor=start or action.put_at)
    return any((start is None or moment >= start) and (end is None or moment <= end) for moment in moments)


def _move_bounds(backend: Any, action: Any) -> None:
    target = backend.targets.get(action.scalable_dimension, {}).get(action.resource_id)
    if target is None or (target.suspended_state or {}).get("ScheduledScalingSuspended"):
        return
    low, high = _bounds(action.scalable_target_action or {})
    low, high = target.min_capacity if low is None else low, target.max_capacity if high is None else high
    if low <= high:  # else the action fails, as on AWS, and the bounds stay
        target.update(low, high, None)


def _bounds(given: dict[str, Any]) -> tuple[int | None, int | None]:
    low, high = given.get("MinCapacity"), given.get("MaxCapacity")
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
    """PutScheduledAction: check it, and count from now."""
    if resource_id not in self.targets.get(scalable_dimension, {}):
        raise JsonRESTError("ObjectNotFoundException", f"No scalable target registered for {resource_id}")
    try:
        if schedule:
            schedules.parse(schedule, timezone)
    except schedules.ScheduleError as error:
        raise AWSValidationException(str(error)) from error
    low, high = _bounds(scalable_target_action or {})
    if low is not None and high is not None and low > high:
        raise AWSValidationException("Maximum capacity cannot be less than minimum capacity")
    given = (schedule, timezone, scheduled_action_name, resource_id, scalable_dimension, start_time, end_time)
    _moto_put(self, service_namespace, *given, scalable_target_action)
    key = (service_namespace, scheduled_action_name, resource_id, scalable_dimension)
    for action in self.scheduled_actions:
        if key == (
            action.service_namespace, action.scheduled_action_name, action.resource_id, action.scalable_dimension
        ):  # fmt: skip
            action.checked = action.put_at = clock().now()


def _deregister(self: Any, namespace: str, r_id: str, dimension: str) -> None:
    """Deregistering a target deletes its scheduled actions."""
    _moto_deregister(self, namespace, r_id, dimension)
    self.scheduled_actions = [
        a for a in self.scheduled_actions if (a.resource_id, a.scalable_dimension) != (r_id, dimension)
    ]


_moto_put = models.ApplicationAutoscalingBackend.put_scheduled_action
_moto_deregister = models.ApplicationAutoscalingBackend.deregister_scalable_target


def install() -> None:
    """Put it in place of moto's."""
    models.ApplicationAutoscalingBackend.put_scheduled_action = _put
    models.ApplicationAutoscalingBackend.deregister_scalable_target = _deregister
