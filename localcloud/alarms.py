"""CloudWatch alarms: over one metric, over metric math, and composite; their states, and what they send to SNS."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Any

from moto.cloudwatch import models
from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.responses import CloudWatchResponse

from localcloud import metricmath, notifications
from localcloud.clock import clock
from localcloud.store import LOCK, Store, store

_Datum = tuple[float, float, float, float]  # sum, minimum, maximum, samples
_Key = tuple[str, str, frozenset[tuple[str, str]]]
_OLD_IN_A_ROW = 500
"""Data are kept in the order they came: after so many that are too old, the rest is older still."""
_STATISTICS: dict[str, Callable[[list[_Datum]], float]] = {
    "Sum": lambda data: sum(datum[0] for datum in data),
    "Average": lambda data: sum(datum[0] for datum in data) / sum(datum[3] for datum in data),
    "Minimum": lambda data: min(datum[1] for datum in data),
    "Maximum": lambda data: max(datum[2] for datum in data),
    "SampleCount": lambda data: sum(datum[3] for datum in data),
}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
scaling_action: Callable[[Store, Any, float], None] = lambda *_: None  # noqa: E731 -- set by autoscaling
"""What the scaling policies among an alarm's actions do."""


def evaluate(state: Store) -> None:
    """Bring every alarm to its present state, and let those in ALARM act."""
    alarms = list(models.cloudwatch_backends[state.account][state.region].alarms.values())
    metric_alarms = [alarm for alarm in alarms if alarm.rule is None and alarm.comparison_operator in _COMPARE]
    history = _History(state, max((_period(a) * int(a.evaluation_periods) for a in metric_alarms), default=0))
    for alarm in metric_alarms:
        value = _metric_alarm(state, alarm, history)
        if alarm.state_value == "ALARM" and alarm.actions_enabled and value is not None:
            scaling_action(state, alarm, value)
    for alarm in alarms:
        if alarm.rule is not None:
            new = "ALARM" if rule_holds(alarm.rule, {a.name: a.state_value for a in alarms}) else "OK"
            _move(state, alarm, new, f"{alarm.rule} is {'true' if new == 'ALARM' else 'false'}")


class _History:
    """The data of the last seconds by metric."""

    def __init__(self, state: Store, seconds: float) -> None:
        self._now = clock().now()
        self._data: dict[_Key, list[tuple[float, _Datum]]] = {}
        old = 0
        for datum in reversed(models.cloudwatch_backends[state.account][state.region].metric_data):
            age = self._now - datum.timestamp.replace(tzinfo=UTC).timestamp()
            old = old + 1 if age > seconds else 0
            if old > _OLD_IN_A_ROW:
                break
            if 0 <= age <= seconds:
                self._data.setdefault(_key(datum.namespace, datum.name, datum.dimensions), []).append(
                    (age, _summary(datum))
                )

    def points(self, key: _Key, statistic: str, period: float, count: int) -> metricmath.Series:
        """The last periods of a metric, newest first."""
        periods: list[list[_Datum]] = [[] for _ in range(count)]
        for age, datum in self._data.get(key, []):
            index = math.floor(age / period)
            if index < count:
                periods[index].append(datum)
        function = _STATISTICS.get(statistic) or _percentile(statistic)
        return [float(function(data)) if data else None for data in periods]


def _summary(datum: Any) -> _Datum:
    if hasattr(datum, "value"):
        return (datum.value, datum.value, datum.value, 1)
    return (datum.sum, datum.min, datum.max, datum.sample_count)


def _key(namespace: str, name: str, dimensions: Iterable[Any]) -> _Key:
    return (namespace, name, frozenset((dimension.name, dimension.value) for dimension in dimensions))


def _percentile(name: str) -> Callable[[list[_Datum]], float]:
    if not re.fullmatch(r"p\d+(\.\d+)?", name):
        raise metricmath.ExpressionError(f"the statistic {name} is not evaluated by the embedded AWS")
    share = float(name.removeprefix("p")) / 100
    return lambda data: sorted(d[0] for d in data)[min(len(data) - 1, math.floor(share * len(data)))]


def _period(alarm: Any) -> float:
    """Seconds per period: the alarm's, or the longest of its metric math."""
    periods = [query.metric_stat.period for query in alarm.metric_data_queries if query.metric_stat]
    periods += [query.period for query in alarm.metric_data_queries]
    given = [float(period) for period in periods if period] or [float(alarm.period or 60)]
    return max(given)


def _points(alarm: Any, history: _History) -> metricmath.Series:
    period, count = _period(alarm), int(alarm.evaluation_periods)
    if not alarm.metric_data_queries:
        key = _key(alarm.namespace, alarm.metric_name, alarm.dimensions)
        return history.points(key, alarm.extended_statistic or alarm.statistic, period, count)
    stats = {query.id: query.metric_stat for query in alarm.metric_data_queries if query.metric_stat}
    series = {
        name: history.points(
            _key(stat.metric.namespace, stat.metric.metric_name, stat.metric.dimensions), stat.stat, period, count
        )
        for name, stat in stats.items()
    }
    left = {query.id: query.expression for query in alarm.metric_data_queries if query.expression}
    while ready := [name for name, text in left.items() if metricmath.references(text) <= series.keys()]:
        for name in ready:
            text = left.pop(name)
            series[name] = metricmath.evaluate(text, series, period_s=period, metrics=list(stats))
    shown = [query.id for query in alarm.metric_data_queries if str(query.return_data).lower() != "false"]
    return series[alarm.threshold_metric_id or (shown or list(series))[-1]]


def _metric_alarm(state: Store, alarm: Any, history: _History) -> float | None:
    """Set the alarm's state; the value that decided it, if there is one."""
    if not alarm.metric_name and not alarm.metric_data_queries:
        return None  # PromQL
    try:
        points = _points(alarm, history)
    except metricmath.ExpressionError as error:
        alarm.state_reason = str(error)
        return None
    known = [point for point in points if point is not None]
    missing = alarm.treat_missing_data or "missing"
    breaching = sum(_COMPARE[alarm.comparison_operator](point, alarm.threshold) for point in known)
    if missing == "breaching":
        breaching += len(points) - len(known)
    if breaching >= int(alarm.datapoints_to_alarm or len(points)):
        new = "ALARM"
    elif known or missing in ("notBreaching", "breaching"):
        new = "OK"
    else:
        new = alarm.state_value if missing == "ignore" else "INSUFFICIENT_DATA"
    shown = ", ".join(f"{point:g}" for point in known)
    _move(
        state,
        alarm,
        new,
        f"Threshold Crossed: {breaching} out of the last {len(points)} datapoints [{shown}] {_crossed(alarm)}",
    )
    return known[0] if known else None


def _crossed(alarm: Any) -> str:
    words = re.sub(r"(?<!^)([A-Z])", lambda found: f" {found[1].lower()}", alarm.comparison_operator)
    return f"({words[0].lower()}{words[1:]}: {alarm.threshold:g})"


def _move(state: Store, alarm: Any, new: str, reason: str) -> None:
    old = alarm.state_value
    if new == old:
        return
    alarm.update_state(reason, "{}", new)
    if new == "ALARM":
        alarm.alarmed_at = clock().now()
    alarm.state_updated_timestamp = clock().utc().replace(tzinfo=None)
    notifications.alarm_changed(state.account, state.region, alarm, old)


def rule_holds(rule: str, states: dict[str, str]) -> bool:
    """Whether a composite alarm's rule holds: ALARM(), OK(), INSUFFICIENT_DATA(), AND, OR, NOT, TRUE, FALSE."""

    def holds(found: re.Match[str]) -> str:
        name = found[2].strip("\"' ").rpartition(":alarm:")[2]
        return str(states.get(name) == found[1])

    text = re.sub(r"\b(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(\"[^\"]*\"|'[^']*'|[^)]*)\s*\)", holds, rule)
    for word, python in (("AND", "and"), ("OR", "or"), ("NOT", "not"), ("TRUE", "True"), ("FALSE", "False")):
        text = re.sub(rf"\b{word}\b", python, text)
    try:
        return _boolean(ast.parse(" ".join(text.split()), mode="eval").body)
    except SyntaxError as error:
        raise ValidationError(f"AlarmRule is not valid: {rule}") from error


def _boolean(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not _boolean(node.operand)
    if isinstance(node, ast.BoolOp):
        return (all if isinstance(node.op, ast.And) else any)(map(_boolean, node.values))
    raise ValidationError(f"AlarmRule is not valid at: {ast.unparse(node)}")


def queries(given: list[dict[str, Any]]) -> list[Any]:
    """Metric data queries in moto's form, from the form that API and templates have."""
    made = []
    for item in given:
        stat = item.get("MetricStat")
        made.append(
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
    return made


def _put_metric_alarm(self: Any, name: str, *args: Any, **given: Any) -> Any:
    """Refuse metric math that has no form; a new alarm has INSUFFICIENT_DATA, one that is put again keeps its state."""
    asked = given.get("metric_data_queries") or []
    for query in asked:
        try:
            unknown = metricmath.references(query.expression) - {q.id for q in asked} if query.expression else set()
        except metricmath.ExpressionError as error:
            raise ValidationError(str(error)) from error
        if unknown:
            raise ValidationError(f"Metrics list: expression {query.id} names unknown ids {sorted(unknown)}")
    if given.get("rule"):
        rule_holds(given["rule"], {})
    before = self.alarms.get(name)
    alarm = _moto_put_metric_alarm(self, name, *args, **given)
    alarm.state_value = before.state_value if before else "INSUFFICIENT_DATA"
    return alarm


def _set_alarm_state(self: Any, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
    """SetAlarmState: its actions follow at once; the next evaluation puts the true state back, as on AWS."""
    with LOCK:
        old = self.alarms[alarm_name].state_value if alarm_name in self.alarms else ""
        _moto_set_alarm_state(self, alarm_name, reason, reason_data, state_value)
        alarm = self.alarms[alarm_name]
        if state_value == "ALARM":
            alarm.alarmed_at = clock().now()
        if old != state_value:
            notifications.alarm_changed(self.account_id, self.region_name, alarm, old)
            if state_value == "ALARM" and alarm.actions_enabled and alarm.threshold is not None:
                scaling_action(store(self.account_id, self.region_name), alarm, float(alarm.threshold))


def _put_metric_data(self: Any, namespace: str, metric_data: list[dict[str, Any]]) -> None:
    """Data without a time of their own are of now, as the clock has it; all are kept as moto keeps times: UTC without a zone."""
    for datum in metric_data:
        stamp = datum.get("Timestamp") or clock().utc()
        datum["Timestamp"] = stamp.astimezone(UTC).replace(tzinfo=None) if stamp.tzinfo else stamp
    _moto_put_metric_data(self, namespace, metric_data)


_moto_put_metric_alarm = models.CloudWatchBackend.put_metric_alarm
_moto_set_alarm_state = models.CloudWatchBackend.set_alarm_state
_moto_put_metric_data = models.CloudWatchBackend.put_metric_data


def install() -> None:
    """Put it in place of moto's."""
    models.CloudWatchBackend.put_metric_alarm = _put_metric_alarm
    models.CloudWatchBackend.set_alarm_state = _set_alarm_state
    models.CloudWatchBackend.put_metric_data = _put_metric_data
    CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm  # moto reads AlarmRule there
