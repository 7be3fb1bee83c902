"""Scaling activities: every change of the copy count that a policy or a bound has made, or tried to make, with its cause.

DescribeScalingActivities: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DescribeScalingActivities.html (read 2026-11),
which returns six weeks of them, newest first. Descriptions use the wording of AWS's examples for other services: there are none for
inference components.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse

from localcloud.aws.clock import clock
from localcloud.aws.hosting.store import LOCK, Store, store

DIMENSION: Final = "sagemaker:inference-component:DesiredCopyCount"
_KEPT: Final = 500
_PAGE: Final = 50
_ATTRIBUTE: Final = "localcloud_activities"
"""Attribute of moto's backend, which its reset empties."""


@dataclass(kw_only=True, eq=False)
class Activity:
    """One decision of Application Auto Scaling.

    Attributes:
        resource_id: ``inference-component/<name>``.
        before: Desired number of copies before.
        after: Desired number now; the same if nothing was changed.
        cause: Cause in AWS's words.
        figures: The value and threshold that triggered it; empty for a bound.
        not_scaled: Code of the reason why nothing was changed; empty if something was.
        began: Time of the decision, in seconds on the clock; `ended` the time at which the copies served.
    """

    resource_id: str
    before: int
    after: int
    cause: str
    figures: str = ""
    not_scaled: str = ""
    status: str = "InProgress"
    message: str = ""
    began: float = field(default_factory=lambda: clock().now())
    ended: float | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


def scaled(state: Store, activity: Activity) -> None:
    """Record a change of the number of copies; it overrides one that is still in progress."""
    kept = _kept(state)
    for other in kept:
        if other.resource_id == activity.resource_id and other.status == "InProgress":
            other.status, other.ended = "Overridden", clock().now()
    kept.append(activity)
    del kept[:-_KEPT]


def not_scaled(state: Store, activity: Activity) -> None:
    """Record that a policy tried to change something and could not; repeated only after a change."""
    kept = _kept(state)
    last = next((one for one in reversed(kept) if one.resource_id == activity.resource_id), None)
    if last is not None and (last.not_scaled, last.cause) == (activity.not_scaled, activity.cause):
        return
    activity.status, activity.ended = "Failed", activity.began
    kept.append(activity)
    del kept[:-_KEPT]


def settle(state: Store) -> None:
    """End the activities whose copies now serve."""
    for one in _kept(state):
        component = state.components.get(one.resource_id.partition("/")[2])
        if one.status != "InProgress" or (component is not None and component.status == "Updating"):
            continue
        one.ended = clock().now()
        reason = "" if component is None else str(component.data.get("FailureReason", ""))
        if component is None or reason:
            one.status, one.message = "Unfulfilled", reason or "The inference component was deleted."
        else:
            one.status, one.message = "Successful", f"Successfully set desired copy count to {one.after}."


def activities(account: str, region: str) -> list[Activity]:
    """Every activity of a Region, newest first."""
    with LOCK:
        state = store(account, region)
        settle(state)
        return list(reversed(_kept(state)))


def _kept(state: Store) -> list[Activity]:
    backend = applicationautoscaling_backends[state.account][state.region]
    found: list[Activity] = backend.__dict__.setdefault(_ATTRIBUTE, [])
    return found


def _describe(self: ApplicationAutoScalingResponse) -> str:
    """DescribeScalingActivities: of one namespace, of one resource and dimension if they are named."""
    self._validate_params()
    target = (self._get_param("ResourceId"), self._get_param("ScalableDimension"))
    found = [
        one
        for one in activities(self.current_account, self.region)
        if self._get_param("ServiceNamespace") == "sagemaker"
        and target[0] in (None, one.resource_id)
        and target[1] in (None, DIMENSION)
        and (not one.not_scaled or self._get_bool_param("IncludeNotScaledActivities", False))
    ]
    first, size = int(self._get_param("NextToken") or 0), self._get_int_param("MaxResults") or _PAGE
    page = {"ScalingActivities": [_described(self, one) for one in found[first : first + size]]}
    return json.dumps(page | ({"NextToken": str(first + size)} if len(found) > first + size else {}))


def _described(response: ApplicationAutoScalingResponse, one: Activity) -> dict[str, Any]:
    described = {
        "ActivityId": one.id,
        "ServiceNamespace": "sagemaker",
        "ResourceId": one.resource_id,
        "ScalableDimension": DIMENSION,
        "Description": f"Setting desired copy count to {one.after}.",
        "Cause": one.cause,
        "StartTime": one.began,
        "StatusCode": one.status,
    }
    if one.ended is not None:
        described["EndTime"] = one.ended
    if one.message:
        described["StatusMessage"] = one.message
    if one.not_scaled:
        target = applicationautoscaling_backends[response.current_account][response.region].targets.get(DIMENSION, {})
        bounds = target.get(one.resource_id)
        limits = {} if bounds is None else {"MinCapacity": bounds.min_capacity, "MaxCapacity": bounds.max_capacity}
        described["NotScaledReasons"] = [{"Code": one.not_scaled, "CurrentCapacity": one.before, **limits}]
        described["Description"] = "Attempting to scale due to alarm triggered"
    return described


def install() -> None:
    """Add the operation to moto, which lacks it."""
    ApplicationAutoScalingResponse.describe_scaling_activities = _describe
