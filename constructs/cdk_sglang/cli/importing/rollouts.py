"""How the last update was rolled out, and the alarms that would have rolled it back, as an environment file states them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cdk_sglang.cli.importing.notes import Notes
from cdk_sglang.cli.importing.running import rollback_alarms
from cdk_sglang.spec.rollback_alarms import RollbackAlarms

_STRATEGIES: Final = {"ALL_AT_ONCE": "all_at_once", "CANARY": "canary", "LINEAR": "linear"}
_RULES: Final = {
    "Invocation5XXErrors": ("server_errors", 1),
    "InvocationModelErrors": ("model_errors", 1),
    "ModelLatency": ("p99_latency_ms", 1000),
    "NoCapacityInvocationFailures": ("no_capacity", 1),
}
"""Rule and units of the metric in one of its threshold, as serving/rollout/rollback_alarms.py makes them."""
_PERIOD_SECONDS: Final = 60
_AS_NOW: Final = "all new copies at once, and no alarm rolls back"

Alarms = Mapping[str, Mapping[str, Any]]


def imported_endpoint_rollout(
    described: Mapping[str, Any], alarms: Alarms, *, where: str, notes: Notes
) -> dict[str, Any]:
    """Return the key `rollout` of an endpoint; empty if there is none.

    Args:
        described: Description of the endpoint.
        alarms: Alarms by name.
        where: Path of the endpoint in the file.
        notes: What a reader must know.
    """
    last, path = described.get("LastDeploymentConfig") or {}, f"{where}.rollout"
    rolling, blue_green = last.get("RollingUpdatePolicy"), last.get("BlueGreenUpdatePolicy") or {}
    routing = blue_green.get("TrafficRoutingConfiguration") or {}
    if not rolling and not routing:
        return {}
    if not rollback_alarms(described):
        if rolling or routing.get("Type") != "ALL_AT_ONCE":  # which is what we do without a rollout
            notes.lost(
                path, "a rollout in steps that no alarm rolls back", "all traffic at once; a rollout needs alarms"
            )
        return {}
    content: dict[str, Any] = {}
    if rolling:
        percent = _percent(rolling["MaximumBatchSize"])
        if percent is None:
            notes.lost(path, f"batches of {rolling['MaximumBatchSize'].get('Value')} instances", "all traffic at once")
            return {}
        content = {"strategy": "rolling", "percent": percent, "wait_seconds": rolling.get("WaitIntervalInSeconds")}
        back = rolling.get("RollbackMaximumBatchSize")
        content |= {"rollback_percent": _percent(back)} if back else {}
        content["timeout_seconds"] = rolling.get("MaximumExecutionTimeoutInSeconds")
    else:
        size = routing.get("CanarySize") or routing.get("LinearStepSize")
        percent = _percent(size) if size else None
        if size and percent is None:
            notes.lost(path, f"steps of {size.get('Value')} instances", "all traffic at once")
            return {}
        content = {
            "strategy": _STRATEGIES[routing["Type"]],
            "percent": percent,
            "wait_seconds": routing.get("WaitIntervalInSeconds"),
            "termination_wait_seconds": blue_green.get("TerminationWaitInSeconds") or None,
            "timeout_seconds": blue_green.get("MaximumExecutionTimeoutInSeconds"),
        }
    return _with_alarms(content, described, alarms, path=path, notes=notes, may_be_zero=False)


def imported_component_rollout(
    described: Mapping[str, Any], alarms: Alarms, *, where: str, may_be_zero: bool, notes: Notes
) -> dict[str, Any]:
    """Return the key `rollout` of a component; empty if there is none.

    Args:
        described: Description of the component.
        alarms: Alarms by name.
        where: Path of the component in the file.
        may_be_zero: Whether it may have no copies, where no alarm watches for missing ones.
        notes: What a reader must know.
    """
    policy, path = (described.get("LastDeploymentConfig") or {}).get("RollingUpdatePolicy"), f"{where}.rollout"
    if not policy:
        return {}
    if not rollback_alarms(described):
        notes.lost(path, "copies in steps that no alarm rolls back", f"{_AS_NOW}; a rollout needs alarms")
        return {}
    back = policy.get("RollbackMaximumBatchSize")
    content = {
        "max_batch": _batch(policy["MaximumBatchSize"]),
        "wait_seconds": policy.get("WaitIntervalInSeconds"),
        "rollback_batch": _batch(back) if back else None,
        "timeout_seconds": policy.get("MaximumExecutionTimeoutInSeconds"),
    }
    return _with_alarms(content, described, alarms, path=path, notes=notes, may_be_zero=may_be_zero)


def _batch(size: Mapping[str, Any]) -> dict[str, int]:
    return {"copies" if size["Type"] == "COPY_COUNT" else "percent": size["Value"]}


def _percent(size: Mapping[str, Any]) -> int | None:
    return size["Value"] if size["Type"] == "CAPACITY_PERCENT" else None


def _with_alarms(
    content: dict[str, Any],
    described: Mapping[str, Any],
    alarms: Alarms,
    *,
    path: str,
    may_be_zero: bool,
    notes: Notes,
) -> dict[str, Any]:
    found = {name: alarms.get(name) for name in rollback_alarms(described)}
    rules: dict[str, Any] = {}
    for name, alarm in found.items():
        rule = None if alarm is None else _rule(alarm)
        if rule is None:
            notes.lost(f"{path}.alarms", f"alarm {name}", "not watched: a rollout has alarms of its own, made of rules")
        else:
            rules |= rule
    defaults = RollbackAlarms().model_dump(mode="python")
    if rules:
        rules = {**dict.fromkeys(("server_errors", "model_errors", "no_capacity")), **rules}
        if may_be_zero and rules["no_capacity"] is None:
            del rules["no_capacity"]
    changed = {name: value for name, value in rules.items() if value != defaults[name]}
    if changed:
        content["alarms"] = changed
    return {name: value for name, value in content.items() if value is not None}


def _rule(alarm: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an alarm as a rule; None if it watches something else, or in another way."""
    rule = _RULES.get(alarm.get("MetricName", ""))
    statistic = alarm.get("Statistic") or alarm.get("ExtendedStatistic")
    usual = "p99" if alarm.get("MetricName") == "ModelLatency" else "Sum"
    if rule is None or statistic != usual or alarm.get("Period") != _PERIOD_SECONDS:
        return None
    name, scale = rule
    threshold = alarm["Threshold"] / scale
    minutes = alarm.get("EvaluationPeriods", 1)
    value = float(threshold) if name == "p99_latency_ms" else int(threshold)
    plain = int(value) if float(value).is_integer() else value
    return {name: plain, **({"minutes": minutes} if minutes != 1 else {})}
