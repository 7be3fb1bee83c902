"""The alarms that SageMaker watches while it rolls out an update, and that make it roll the update back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from constructs import Construct

from cdk_sglang.serving.alarms.metrics import INVOCATION_NAMESPACE

if TYPE_CHECKING:
    from cdk_sglang.serving.alarms.choice import Alarms
    from cdk_sglang.spec.alarms import NoAlarms
    from cdk_sglang.spec.rollback_alarms import RollbackAlarms

_PERIOD_SECONDS: Final = 60


class _Rule(NamedTuple):
    construct_id: str
    metric: str
    statistic: str
    scale: int
    """Number of units of the metric in one unit of the threshold."""
    meaning: str


_RULES: Final = {
    "server_errors": _Rule(
        "RollbackServerErrors",
        "Invocation5XXErrors",
        "Sum",
        1,
        "{} or more requests a minute failed on the serving side",
    ),
    "model_errors": _Rule(
        "RollbackModelErrors",
        "InvocationModelErrors",
        "Sum",
        1,
        "{} or more requests a minute were not answered by the model",
    ),
    "p99_latency_ms": _Rule(
        "RollbackLatency", "ModelLatency", "p99", 1000, "one request in a hundred takes {:g} ms or longer"
    ),
    "no_capacity": _Rule(
        "RollbackNoCapacity", "NoCapacityInvocationFailures", "Sum", 1, "{} or more requests a minute found no copy"
    ),
}
ROLLBACK_ALARM_IDS: Final = frozenset(rule.construct_id for rule in _RULES.values())
"""Ids of the alarms in their endpoint or component: four of the ten that SageMaker allows (botocore 1.44.5, AlarmList)."""


def make_rollback_alarms(
    scope: Construct,
    alarms: RollbackAlarms,
    *,
    choice: Alarms | NoAlarms | None,
    subject: str,
    dimensions: Mapping[str, str],
    may_be_zero: bool,
) -> list[str]:
    """Create the alarms and return their names.

    Args:
        scope: Endpoint or component.
        alarms: Rules and thresholds.
        choice: Targets that the alarms notify, in addition to SageMaker.
        subject: The updated endpoint or component, for the descriptions of the alarms.
        dimensions: Dimensions of the metrics of the updated endpoint or component.
        may_be_zero: Whether the component may have zero copies, or the endpoint zero instances.
    """
    from cdk_sglang.serving.alarms.alarms import make_alarm

    names = []
    for field, threshold in alarms.thresholds(may_be_zero=may_be_zero).items():
        rule = _RULES[field]
        meaning = rule.meaning.format(threshold)
        alarm = make_alarm(
            scope,
            rule.construct_id,
            choice=choice,
            description=f"{subject}: {meaning}. During an update, SageMaker rolls the update back.",
            namespace=INVOCATION_NAMESPACE,
            metric_name=rule.metric,
            dimensions=dimensions,
            statistic=rule.statistic,
            period_seconds=_PERIOD_SECONDS,
            evaluation_periods=alarms.minutes,
            threshold=threshold * rule.scale,
            comparison="GreaterThanOrEqualToThreshold",
        )
        names.append(alarm.ref)
    return names
