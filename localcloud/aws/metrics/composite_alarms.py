"""Composite alarms: in ALARM while their rule holds; their actions wait for a suppressor, and run once.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-suppression.html (read 2026-11). An alarm whose state reverts before
its actions ran runs none, neither for the change nor for the reversal.
"""

from __future__ import annotations

from typing import Any, Final

from moto.cloudwatch import models
from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult

from localcloud.aws.clock import clock
from localcloud.aws.hosting.store import LOCK, Store, store
from localcloud.aws.metrics import alarm_rules, notifications, states

_SUPPRESSOR_PERIODS: Final = ("ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")


def put(state: Store, parameters: dict[str, Any]) -> Any:
    """Create or change an alarm from the members of PutCompositeAlarm. Raises ValidationError for members that AWS refuses."""
    backend = models.cloudwatch_backends[state.account][state.region]
    name = parameters["AlarmName"]
    suppressor = _name_of(parameters.get("ActionsSuppressor"))
    rule = _checked(backend, name, parameters, suppressor)
    before = backend.alarms.get(name)
    if before is not None and before.rule is None:
        raise ValidationError(f"{name} is the name of a metric alarm")
    alarm = backend.put_metric_alarm(
        name=name,
        namespace="",
        metric_name="",
        comparison_operator="",
        evaluation_periods=1,
        period=60,
        threshold=0.0,
        statistic="",
        description=parameters.get("AlarmDescription", ""),
        dimensions=[],
        alarm_actions=parameters.get("AlarmActions") or [],
        ok_actions=parameters.get("OKActions") or [],
        insufficient_data_actions=parameters.get("InsufficientDataActions") or [],
        actions_enabled=str(parameters.get("ActionsEnabled", True)).lower() != "false",
        rule=parameters["AlarmRule"],
        tags=parameters.get("Tags") or None,
    )
    alarm.parsed = rule
    alarm.suppressor = suppressor
    alarm.actions_suppressor = parameters.get("ActionsSuppressor")
    alarm.actions_suppressor_wait_period = _seconds(parameters, "ActionsSuppressorWaitPeriod")
    alarm.actions_suppressor_extension_period = _seconds(parameters, "ActionsSuppressorExtensionPeriod")
    alarm.acted = getattr(before, "acted", alarm.state_value)
    alarm.changed_at = getattr(before, "changed_at", 0.0)
    alarm.suppressor_seen = getattr(before, "suppressor_seen", None)
    return alarm


def _name_of(reference: str | None) -> str | None:
    return reference.rpartition(":alarm:")[2] if reference and reference.startswith("arn:") else reference


def _seconds(parameters: dict[str, Any], name: str) -> int | None:
    return None if parameters.get(name) is None else int(parameters[name])


def _checked(backend: Any, name: str, parameters: dict[str, Any], suppressor: str | None) -> alarm_rules.Parsed:
    try:
        rule = alarm_rules.parse(parameters["AlarmRule"])
    except alarm_rules.RuleError as error:
        raise ValidationError(str(error)) from error
    unknown = sorted((rule.names | ({suppressor} if suppressor else set())) - backend.alarms.keys() - {name})
    if unknown:
        raise ValidationError(
            f"AlarmRule and ActionsSuppressor must name existing alarms, these do not exist: {unknown}"
        )
    if name in rule.names:
        raise ValidationError(f"AlarmRule must not name the alarm itself: {name}")
    periods = [period for period in _SUPPRESSOR_PERIODS if parameters.get(period) is not None]
    if suppressor and len(periods) < len(_SUPPRESSOR_PERIODS):
        raise ValidationError(
            "ActionsSuppressor needs ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod"
        )
    if periods and not suppressor:
        raise ValidationError(f"{periods[0]} needs ActionsSuppressor")
    return rule


def evaluate(state: Store) -> None:
    """Update the state of every composite alarm, including those that name others, and run the actions that are due."""
    alarms = models.cloudwatch_backends[state.account][state.region].alarms
    composite = [alarm for alarm in list(alarms.values()) if "parsed" in alarm.__dict__]
    for _ in composite:  # each round settles at least one level
        present = {name: alarm.state_value for name, alarm in alarms.items()}
        if not sum(_settle(state, alarm, present) for alarm in composite):
            break
    for alarm in composite:
        _act(state, alarm, alarms.get(alarm.suppressor or ""))


def _settle(state: Store, alarm: Any, present: dict[str, str]) -> bool:
    new = "ALARM" if alarm.parsed.holds(present) else "OK"
    children = sorted(name for name in alarm.parsed.names if present.get(name) == "ALARM")
    reason = f"The rule {'holds' if new == 'ALARM' else 'does not hold'}; in ALARM: {', '.join(children) or 'none'}"
    changed = states.move(state, alarm, new, reason, acts=False)
    if changed:
        alarm.changed_at = clock().now()
    return changed


def _act(state: Store, alarm: Any, suppressor: Any) -> None:
    """Run the actions of a changed state once nothing suppresses them."""
    now = clock().now()
    if suppressor is not None and suppressor.state_value == "ALARM":
        alarm.suppressor_seen = now
    by, why = _suppressed(alarm, suppressor, now) if alarm.state_value != alarm.acted else (None, None)
    alarm.actions_suppressed_by, alarm.actions_suppressed_reason = by, why
    if by is None and alarm.state_value != alarm.acted:
        old, alarm.acted = alarm.acted, alarm.state_value
        notifications.alarm_changed(state.account, state.region, alarm, old)


def _suppressed(alarm: Any, suppressor: Any, now: float) -> tuple[str | None, str | None]:
    if suppressor is None:
        return None, None
    if suppressor.state_value == "ALARM":
        return "Alarm", f"Actions suppressed by {suppressor.name}"
    extension = float(alarm.actions_suppressor_extension_period)
    if alarm.suppressor_seen is not None and now - alarm.suppressor_seen < extension:
        return "ExtensionPeriod", f"{suppressor.name} left ALARM less than {extension:g} s ago"
    wait = float(alarm.actions_suppressor_wait_period)
    if alarm.state_value == "ALARM" and now - alarm.changed_at < wait:
        return "WaitPeriod", f"{suppressor.name} has {wait:g} s to go into ALARM"
    return None, None


def _put_composite_alarm(self: Any) -> ActionResult:
    backend = self.cloudwatch_backend
    with LOCK:
        put(store(backend.account_id, backend.region_name), self._get_params())
    return EmptyResult()


def _describe_alarms(self: Any) -> ActionResult:
    """DescribeAlarms returns only metric alarms unless AlarmTypes says otherwise."""
    result = _moto_describe(self).result
    kinds = self._get_param("AlarmTypes") or ["MetricAlarm"]
    shown = {f"{kind}s": result[f"{kind}s"] if kind in kinds else [] for kind in ("MetricAlarm", "CompositeAlarm")}
    return ActionResult(shown)


_moto_describe = CloudWatchResponse.describe_alarms


def install() -> None:
    """Add composite alarms to moto, which refuses them."""
    CloudWatchResponse.put_composite_alarm = _put_composite_alarm
    CloudWatchResponse.describe_alarms = _describe_alarms
