"""Alarms over PromQL: each series that the query returns is a contributor, in ALARM after its pending period, gone after its recovery period.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-promql.html (read 2026-11). That page does not say what happens
without data: here an alarm is in INSUFFICIENT_DATA if nothing that its query reads has a sample, and no contributor is left.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from moto.cloudwatch import models
from moto.cloudwatch.exceptions import ResourceNotFound, ValidationError
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult

from localcloud.aws.clock import clock
from localcloud.aws.hosting.store import Store, store
from localcloud.aws.metrics import states
from localcloud.aws.metrics.promql import evaluator
from localcloud.aws.metrics.promql.aggregations import go_float
from localcloud.aws.metrics.promql.nodes import QueryError
from localcloud.aws.metrics.promql.parser import parse
from localcloud.aws.metrics.promql.values import Key, Labels, Sample, key, written
from localcloud.aws.metrics.samples import samples_of

_INTERVAL_S: Final = 60
"""EvaluationInterval of an alarm without one: AWS documents no default (read 2026-11)."""
_EARLY_S: Final = 1.0
"""Seconds by which an evaluation may be too early: alarms are checked about every ten seconds."""
_INTERVALS, _PERIODS, _QUERY_MAX = (10, 3600), (0, 86400), 10_000  # PutMetricAlarm (botocore 1.44.5)
_CLASSIC = (
    "MetricName",
    "Namespace",
    "Metrics",
    "ComparisonOperator",
    "Threshold",
    "EvaluationPeriods",
    "Period",
    "Statistic",
)
"""Members that exclude EvaluationCriteria."""


@dataclass(eq=False)
class Contributor:
    """One series that the query returns, or returned recently.

    Attributes:
        labels: Labels of the series.
        breaching_since: Time of the first evaluation that returned the series, in seconds on the clock.
        absent_since: Time of the first evaluation that no longer returned it; None while the series breaches.
        alarmed_at: Time at which the pending period was over; None before.
        value: Latest value.
    """

    labels: Labels
    breaching_since: float
    absent_since: float | None = None
    alarmed_at: float | None = None
    value: float = 0.0


def is_promql(alarm: Any) -> bool:
    """Whether an alarm has PromQL criteria."""
    return "evaluation_criteria" in alarm.__dict__


def put(state: Store, parameters: dict[str, Any]) -> Any:
    """Create or change an alarm from the members of PutMetricAlarm. Raises ValidationError for members that AWS refuses."""
    criteria = (parameters.get("EvaluationCriteria") or {}).get("PromQLCriteria") or {}
    interval = int(parameters.get("EvaluationInterval") or _INTERVAL_S)
    _check(parameters, criteria, interval)
    backend = models.cloudwatch_backends[state.account][state.region]
    before = backend.alarms.get(parameters["AlarmName"])
    alarm = backend.put_metric_alarm(
        name=parameters["AlarmName"],
        namespace="",
        metric_name="",
        comparison_operator="",
        evaluation_periods=1,
        period=interval,
        threshold=0.0,
        statistic="",
        description=parameters.get("AlarmDescription", ""),
        dimensions=[],
        alarm_actions=parameters.get("AlarmActions") or [],
        ok_actions=parameters.get("OKActions") or [],
        insufficient_data_actions=parameters.get("InsufficientDataActions") or [],
        actions_enabled=str(parameters.get("ActionsEnabled", True)).lower() != "false",
        tags=parameters.get("Tags") or None,
    )
    for unused in (
        "namespace",
        "metric_name",
        "comparison_operator",
        "evaluation_periods",
        "period",
        "threshold",
        "statistic",
    ):
        setattr(alarm, unused, None)
    alarm.evaluation_criteria = {"PromQLCriteria": criteria}
    alarm.evaluation_interval = interval
    alarm.next_evaluation = 0.0
    same = (
        before is not None
        and is_promql(before)
        and before.evaluation_criteria["PromQLCriteria"]["Query"] == criteria["Query"]
    )
    alarm.contributors = before.contributors if same else {}
    return alarm


def _check(parameters: dict[str, Any], criteria: dict[str, Any], interval: int) -> None:
    query = str(criteria.get("Query") or "")
    if others := [name for name in _CLASSIC if parameters.get(name)]:
        raise ValidationError(f"EvaluationCriteria cannot be combined with {', '.join(others)}")
    if not 1 <= len(query) <= _QUERY_MAX:
        raise ValidationError(
            f"EvaluationCriteria.PromQLCriteria.Query must have 1 to {_QUERY_MAX} characters, has {len(query)}"
        )
    if not _INTERVALS[0] <= interval <= _INTERVALS[1]:
        raise ValidationError(f"EvaluationInterval must be {_INTERVALS[0]} to {_INTERVALS[1]}, is {interval}")
    for name in ("PendingPeriod", "RecoveryPeriod"):
        if not _PERIODS[0] <= int(criteria.get(name) or 0) <= _PERIODS[1]:
            raise ValidationError(f"{name} must be {_PERIODS[0]} to {_PERIODS[1]}, is {criteria[name]}")
    try:
        kind = parse(query).kind
    except QueryError as error:
        raise ValidationError(f"Invalid PromQL query: {error}") from error
    if kind != "vector":
        raise ValidationError(f"Invalid PromQL query: the result must be an instant vector, is a {kind}")


def evaluate(state: Store) -> None:
    """Evaluate the alarms whose interval is over."""
    now = clock().now()
    for alarm in list(models.cloudwatch_backends[state.account][state.region].alarms.values()):
        if is_promql(alarm) and now >= alarm.next_evaluation - _EARLY_S:
            alarm.next_evaluation = now + alarm.evaluation_interval
            _evaluate(state, alarm, now)


def _evaluate(state: Store, alarm: Any, now: float) -> None:
    criteria = alarm.evaluation_criteria["PromQLCriteria"]
    alarm.evaluation_state = None
    try:
        result = evaluator.instant(samples_of(state), criteria["Query"], now)
    except QueryError as error:
        alarm.evaluation_state = "EVALUATION_ERROR"
        states.move(state, alarm, "INSUFFICIENT_DATA", f"The query failed: {error}")
        return
    assert isinstance(result, list)
    returned = {key(sample.labels): sample for sample in result if isinstance(sample, Sample)}
    contributors: dict[Key, Contributor] = alarm.contributors
    _follow(
        contributors,
        returned,
        now,
        float(criteria.get("PendingPeriod") or 0),
        float(criteria.get("RecoveryPeriod") or 0),
    )
    alarmed = [one for one in contributors.values() if one.alarmed_at is not None]
    if alarmed:
        names = "; ".join(f"{written(one.labels)} = {go_float(one.value)}" for one in alarmed[:10])
        states.move(state, alarm, "ALARM", f"{len(alarmed)} contributor(s) breached for the pending period: {names}")
    elif returned or evaluator.has_data(samples_of(state), criteria["Query"], now):
        states.move(state, alarm, "OK", "No contributor has breached for the pending period")
    else:
        states.move(state, alarm, "INSUFFICIENT_DATA", "Nothing that the query reads has data")


def _follow(
    contributors: dict[Key, Contributor], returned: dict[Key, Sample], now: float, pending_s: float, recovery_s: float
) -> None:
    """Update the contributors of an alarm to the series that its query now returns."""
    for identity, sample in returned.items():
        one = contributors.setdefault(identity, Contributor(sample.labels, now))
        one.value, one.absent_since = sample.value, None
        if one.alarmed_at is None and now - one.breaching_since >= pending_s:
            one.alarmed_at = now
    for identity in contributors.keys() - returned.keys():
        one = contributors[identity]
        one.absent_since = one.absent_since if one.absent_since is not None else now
        if one.alarmed_at is None or now - one.absent_since >= recovery_s:
            del contributors[identity]


def _put_metric_alarm(self: Any) -> ActionResult:
    parameters = self._get_params()
    if "EvaluationCriteria" not in parameters:
        result: ActionResult = _moto_put(self)
        return result
    put(store(self.cloudwatch_backend.account_id, self.cloudwatch_backend.region_name), parameters)
    return EmptyResult()


def _describe_contributors(self: Any) -> ActionResult:
    alarm = self.cloudwatch_backend.alarms.get(self._get_param("AlarmName"))
    if alarm is None:
        raise ResourceNotFound("Unknown alarm")
    shown = [
        {
            "ContributorId": hashlib.sha256(written(one.labels).encode()).hexdigest()[:16],
            "ContributorAttributes": dict(one.labels),
            "StateReason": f"The query has returned {go_float(one.value)}",
            "StateTransitionedTimestamp": one.alarmed_at,
        }
        for one in getattr(alarm, "contributors", {}).values()
        if one.alarmed_at is not None
    ]
    return ActionResult({"AlarmContributors": shown})


_moto_put = CloudWatchResponse.put_metric_alarm


def install() -> None:
    """Add PromQL alarms to moto, which ignores their criteria."""
    CloudWatchResponse.put_metric_alarm = _put_metric_alarm
    CloudWatchResponse.describe_alarm_contributors = _describe_contributors
