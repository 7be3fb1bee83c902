"""CloudWatch alarms: those over one metric or metric math, their states, and the scaling that they trigger."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC
from functools import cached_property
from typing import Any

from moto.cloudwatch import models
from moto.cloudwatch.exceptions import ValidationError

from localcloud.aws.clock import clock
from localcloud.aws.hosting.store import LOCK, Store, store
from localcloud.aws.metrics import composite_alarms, metricmath, notifications, promql_alarms, states
from localcloud.aws.metrics.points import Metric, Point, metric_of, point, statistic
from localcloud.aws.metrics.published import published

_OLD_IN_A_ROW = 100
"""Consecutive data points of a metric that are too old before the search ends: points are kept in the order of their arrival."""
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
Action = Callable[[Store, Any, float], None]
"""A function of the state, an alarm in ALARM, and the value that triggered it."""
_actions: list[Action] = []


def on_alarm(action: Action) -> None:
    """Call this function for every alarm in ALARM whose actions are enabled; a second registration changes nothing."""
    if action not in _actions:
        _actions.append(action)


def evaluate(state: Store) -> None:
    """Update the state of every alarm, and run the actions of metric alarms in ALARM."""
    alarms = list(models.cloudwatch_backends[state.account][state.region].alarms.values())
    metric_alarms = [alarm for alarm in alarms if alarm.comparison_operator in _COMPARE]
    history = _History(state)
    for alarm in metric_alarms:
        value = _metric_alarm(state, alarm, history)
        if alarm.state_value == "ALARM" and alarm.actions_enabled and value is not None:
            _act(state, alarm, value)
    promql_alarms.evaluate(state)
    composite_alarms.evaluate(state)


def _act(state: Store, alarm: Any, value: float) -> None:
    for action in _actions:
        action(state, alarm, value)


class _History:
    """Published data points, by metric; read when the first alarm needs them, since most fleets have none."""

    def __init__(self, state: Store) -> None:
        self._now = clock().now()
        self._state = state

    @cached_property
    def _data(self) -> dict[Metric, list[tuple[float, Any]]]:
        return published(models.cloudwatch_backends[self._state.account][self._state.region])

    def points(self, metric: Metric, stat: str, period: float, count: int) -> metricmath.Series:
        """Statistic of a metric in each of the last `count` periods, newest first."""
        periods: list[list[Point]] = [[] for _ in range(count)]
        old = 0
        for stamp, datum in reversed(self._data.get(metric, [])):
            age = self._now - stamp
            old = old + 1 if age > period * count else 0
            if old > _OLD_IN_A_ROW:
                break
            if age >= 0 and (index := math.floor(age / period)) < count:
                periods[index].append(point(datum))
        function = statistic(stat)
        return [float(function(data)) if data else None for data in periods]


def looks_back(state: Store) -> dict[Metric, float]:
    """Seconds that alarms look back, by metric."""
    found: dict[Metric, float] = {}
    for alarm in models.cloudwatch_backends[state.account][state.region].alarms.values():
        if alarm.comparison_operator in _COMPARE:
            seconds = _period(alarm) * int(alarm.evaluation_periods)
            for metric in _metrics(alarm):
                found[metric] = max(seconds, found.get(metric, 0.0))
    return found


def _metrics(alarm: Any) -> Iterator[Metric]:
    if not alarm.metric_data_queries:
        yield metric_of(alarm.namespace, alarm.metric_name, alarm.dimensions)
    for query in alarm.metric_data_queries:
        if query.metric_stat:
            metric = query.metric_stat.metric
            yield metric_of(metric.namespace, metric.metric_name, metric.dimensions)


def _period(alarm: Any) -> float:
    """Seconds per evaluation period: the alarm's own, or the longest among the queries of its metric math."""
    periods = [query.metric_stat.period for query in alarm.metric_data_queries if query.metric_stat]
    periods += [query.period for query in alarm.metric_data_queries]
    return max((float(period) for period in periods if period), default=float(alarm.period or 60))


def _points(alarm: Any, history: _History) -> metricmath.Series:
    period, count = _period(alarm), int(alarm.evaluation_periods)
    if not alarm.metric_data_queries:
        metric = metric_of(alarm.namespace, alarm.metric_name, alarm.dimensions)
        return history.points(metric, alarm.extended_statistic or alarm.statistic, period, count)
    stats = {query.id: query.metric_stat for query in alarm.metric_data_queries if query.metric_stat}
    series = {
        name: history.points(
            metric_of(stat.metric.namespace, stat.metric.metric_name, stat.metric.dimensions), stat.stat, period, count
        )
        for name, stat in stats.items()
    }
    expressions = {query.id: query.expression for query in alarm.metric_data_queries if query.expression}
    while ready := [name for name, text in expressions.items() if metricmath.references(text) <= series.keys()]:
        for name in ready:
            text = expressions.pop(name)
            series[name] = metricmath.evaluate(text, series, period_s=period, metrics=list(stats))
    shown = [query.id for query in alarm.metric_data_queries if str(query.return_data).lower() != "false"]
    return series[alarm.threshold_metric_id or (shown or list(series))[-1]]


def _metric_alarm(state: Store, alarm: Any, history: _History) -> float | None:
    """Set the alarm's state, and return its newest value, None if there is none."""
    try:
        points = _points(alarm, history)
    except metricmath.ExpressionError as error:
        alarm.state_reason = str(error)
        return None
    values = [point for point in points if point is not None]
    missing = alarm.treat_missing_data or "missing"
    breaching = sum(_COMPARE[alarm.comparison_operator](point, alarm.threshold) for point in values)
    if missing == "breaching":
        breaching += len(points) - len(values)
    if breaching >= int(alarm.datapoints_to_alarm or len(points)):
        new = "ALARM"
    elif values or missing in ("notBreaching", "breaching"):
        new = "OK"
    else:
        new = alarm.state_value if missing == "ignore" else "INSUFFICIENT_DATA"
    text = ", ".join(f"{point:g}" for point in values)
    states.move(
        state,
        alarm,
        new,
        f"Threshold Crossed: {breaching} out of the last {len(points)} datapoints [{text}] {_crossed(alarm)}",
    )
    return values[0] if values else None


def _crossed(alarm: Any) -> str:
    words = re.sub(r"(?<!^)([A-Z])", lambda found: f" {found[1].lower()}", alarm.comparison_operator)
    return f"({words[0].lower()}{words[1:]}: {alarm.threshold:g})"


def moto_queries(items: list[dict[str, Any]]) -> list[Any]:
    """Convert metric data queries from the form of API and templates to moto's."""
    queries = []
    for item in items:
        stat = item.get("MetricStat")
        queries.append(
            models.MetricDataQuery(
                query_id=item["Id"],
                label=item.get("Label", ""),
                period=item.get("Period"),
                return_data=str(item.get("ReturnData", True)).lower(),
                expression=item.get("Expression"),
                metric_stat=stat
                and models.MetricStat(
                    metric=models.Metric(
                        metric_name=stat["Metric"]["MetricName"],
                        namespace=stat["Metric"]["Namespace"],
                        dimensions=[
                            models.Dimension(d["Name"], d["Value"]) for d in stat["Metric"].get("Dimensions", [])
                        ],
                    ),
                    period=stat.get("Period", 60),
                    stat=stat["Stat"],
                    unit=stat.get("Unit"),
                ),
            )
        )
    return queries


def _put_metric_alarm(self: Any, name: str, *args: Any, **options: Any) -> Any:
    """Refuse malformed metric math; a new alarm starts in INSUFFICIENT_DATA, an existing one keeps its state."""
    queries = options.get("metric_data_queries") or []
    for query in queries:
        try:
            unknown = (
                metricmath.references(query.expression) - {other.id for other in queries} if query.expression else set()
            )
        except metricmath.ExpressionError as error:
            raise ValidationError(str(error)) from error
        if unknown:
            raise ValidationError(f"Metrics list: expression {query.id} names unknown ids {sorted(unknown)}")
    before = self.alarms.get(name)
    alarm = _moto_put_metric_alarm(self, name, *args, **options)
    alarm.state_value = before.state_value if before else "INSUFFICIENT_DATA"
    return alarm


def _set_alarm_state(self: Any, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
    """SetAlarmState: the actions run at once, and composite alarms follow; the next evaluation restores the true state, as on AWS."""
    with LOCK:
        old = self.alarms[alarm_name].state_value if alarm_name in self.alarms else ""
        _moto_set_alarm_state(self, alarm_name, reason, reason_data, state_value)
        alarm = self.alarms[alarm_name]
        if state_value == "ALARM":
            alarm.alarmed_at = clock().now()
        if old != state_value:
            notifications.alarm_changed(self.account_id, self.region_name, alarm, old)
            if state_value == "ALARM" and alarm.actions_enabled and alarm.threshold is not None:
                _act(store(self.account_id, self.region_name), alarm, float(alarm.threshold))
            composite_alarms.evaluate(store(self.account_id, self.region_name))


def _put_metric_data(self: Any, namespace: str, metric_data: list[dict[str, Any]]) -> None:
    """Stamp data points without a time with the clock's; keep every time as moto does: in UTC, without a zone."""
    for datum in metric_data:
        stamp = datum.get("Timestamp") or clock().utc()
        datum["Timestamp"] = stamp.astimezone(UTC).replace(tzinfo=None) if stamp.tzinfo else stamp
    _moto_put_metric_data(self, namespace, metric_data)


_moto_put_metric_alarm = models.CloudWatchBackend.put_metric_alarm
_moto_set_alarm_state = models.CloudWatchBackend.set_alarm_state
_moto_put_metric_data = models.CloudWatchBackend.put_metric_data


def install() -> None:
    """Replace moto's alarms by these."""
    models.CloudWatchBackend.put_metric_alarm = _put_metric_alarm
    models.CloudWatchBackend.set_alarm_state = _set_alarm_state
    models.CloudWatchBackend.put_metric_data = _put_metric_data
