"""Alarms on CloudWatch's classic metrics and on metrics counted in logs: they need no OTel enrichment. No CDK.

The metrics of a math expression share one period, and there are at most ten of them
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-limits.html, read 2026-11), so each window of a burn rate is an alarm of
its own, and a composite alarm is what needs both. The windows slide
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation-window.html, read 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeVar, get_args

from cdk_sglang.metrics.cloudwatch import ENDPOINTS, INVOCATIONS
from cdk_sglang.observability.alarms import catalogue
from cdk_sglang.observability.alarms.burns import Burn, burns, span
from cdk_sglang.observability.alarms.definition import AlarmDefinition, Windows, WindowsAlarm
from cdk_sglang.observability.observed import ObservedComponent, ObservedEndpoint
from cdk_sglang.spec.alarm_rules import AlarmRules, Severity

Item = TypeVar("Item")
_METRICS_IN_MATH: Final = 10
_SINGLE_UP_TO: Final = 40
"""Components with an alarm of their own for requests without capacity; with more, ten share one, so that a hundred fit into a stack."""
CHILDREN: Final = 36
"""Alarms in the rule of a composite alarm: CloudWatch takes 100 and 10,240 characters (botocore 1.44.5, PutCompositeAlarm), and a name that
CloudFormation makes has up to 255."""
_MINUTE: Final = 60
_FIVE_MINUTES: Final = 300
_SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)


def availability_alarms(endpoint: ObservedEndpoint, rules: AlarmRules) -> list[WindowsAlarm]:
    """Return the burn-rate alarms of the components that promise availability, a few components in each.

    Raises:
        ConfigurationError: A promise cannot be broken at any of the rates.
    """
    promises = [
        (component, burns_of(component, rules))
        for component in endpoint.components
        if component.specification.slo is not None and component.specification.slo.availability_percent is not None
    ]
    found = []
    for severity in _SEVERITIES:
        several = [
            (component, [burn for burn in rates if burn.rule.severity == severity]) for component, rates in promises
        ]
        watched = [(component, rates) for component, rates in several if rates]
        size = max(1, CHILDREN // (2 * max((len(rates) for _, rates in watched), default=1)))
        for number, part in enumerate(_batches(watched, size), start=1):
            found.append(_availability_alarm(endpoint, part, rules, number=number, severity=severity))
    return found


def burns_of(component: ObservedComponent, rules: AlarmRules) -> tuple[Burn, ...]:
    """Return the rates at which a component's promise of availability is watched."""
    slo = component.specification.slo
    assert slo is not None
    assert slo.availability_percent is not None
    return burns(
        slo.availability_percent / 100,
        window_days=slo.window_days,
        rules=rules.burn_rates,
        path=f"components.{component.name}.slo.availability_percent",
    )


def _availability_alarm(
    endpoint: ObservedEndpoint,
    promises: Sequence[tuple[ObservedComponent, list[Burn]]],
    rules: AlarmRules,
    *,
    number: int,
    severity: Severity,
) -> WindowsAlarm:
    pairs = [
        Windows(
            long=_window(component, burn, burn.rule.long_minutes, min_failures=rules.min_failures),
            short=_window(component, burn, burn.rule.short_minutes, min_failures=1),
        )
        for component, rates in promises
        for burn in rates
    ]
    names = ", ".join(component.name for component, _ in promises)
    suffix = "" if severity == "page" else "Ticket"
    return WindowsAlarm(
        construct_id=f"Availability{suffix}{number}",
        kind=catalogue.AVAILABILITY_BURN,
        text=f"{endpoint.endpoint_name} ({names}): {catalogue.AVAILABILITY_BURN.meaning}",
        pairs=pairs,
        severity=severity,
    )


def _window(component: ObservedComponent, burn: Burn, minutes: int, *, min_failures: int) -> AlarmDefinition:
    """Return the alarm on one window: the share of failed requests, which counts only from a few failures on."""
    period = minutes * _MINUTE
    failed = {"failed": "Invocation5XXErrors", "broken": "MidStreamErrors"}
    if component.resolved.copy_bounds[0] > 0:  # where a copy is promised, a request without one has failed
        failed["refused"] = "NoCapacityInvocationFailures"
    return AlarmDefinition(
        construct_id=f"Availability-{component.name}-{_window_id(burn, minutes)}",
        kind=catalogue.AVAILABILITY_BURN,
        text=(
            f"{component.component_name}: {100 * burn.threshold:.4g} % of the requests of {span(minutes)} failed, {burn.factor:.3g} times what "
            f"the promise allows; one window of two, it tells nobody by itself"
        ),
        properties={
            "Metrics": [
                {
                    "Id": "share",
                    "Expression": f"IF(bad >= {min_failures}, bad / requests, 0)",
                    "Label": "Share of requests that failed",
                    "ReturnData": True,
                },
                {"Id": "bad", "Expression": " + ".join(f"FILL({name}, 0)" for name in failed), "ReturnData": False},
                # Whether Invocations counts requests without capacity is undocumented: all requests are at least those that failed.
                {"Id": "requests", "Expression": "IF(FILL(total, 0) > bad, FILL(total, 0), bad)", "ReturnData": False},
                *(
                    _stat(query_id, name, component.component_name, period)
                    for query_id, name in {"total": "Invocations", **failed}.items()
                ),
            ],
            "EvaluationPeriods": 1,
            "Threshold": burn.threshold,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        },
        severity=burn.rule.severity,
    )


def _window_id(burn: Burn, minutes: int) -> str:
    """Return what tells the windows of a component's rates apart: both windows of the rate, and which of them it is."""
    which = "long" if minutes == burn.rule.long_minutes else "short"
    return f"{span(burn.rule.long_minutes)}-{span(burn.rule.short_minutes)}-{which}"


def _stat(query_id: str, name: str, component_name: str, period: int) -> dict[str, Any]:
    return {
        "Id": query_id,
        "MetricStat": {
            "Metric": {
                "Namespace": INVOCATIONS,
                "MetricName": name,
                "Dimensions": [{"Name": "InferenceComponentName", "Value": component_name}],
            },
            "Period": period,
            "Stat": "Sum",
        },
        "ReturnData": False,
    }


def no_capacity_alarms(endpoint: ObservedEndpoint) -> list[AlarmDefinition]:
    """Return the alarms on requests that find no copy, of the components that always have one."""
    kind = catalogue.NO_CAPACITY
    watched = [component for component in endpoint.components if component.resolved.copy_bounds[0] > 0]
    common = {
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }
    found = []
    for number, part in enumerate(_batches(watched, 1 if len(watched) <= _SINGLE_UP_TO else _METRICS_IN_MATH), start=1):
        names = ", ".join(component.component_name for component in part)
        alone = len(watched) <= _SINGLE_UP_TO
        stats = [
            _stat(f"m{index}", "NoCapacityInvocationFailures", component.component_name, _MINUTE)
            for index, component in enumerate(part)
        ]
        properties = (
            _one_metric(
                INVOCATIONS,
                "NoCapacityInvocationFailures",
                {"InferenceComponentName": part[0].component_name},
                statistic="Sum",
                period=_MINUTE,
            )
            if alone
            else {"Metrics": [{"Id": "most", "Expression": "MAX(METRICS())", "ReturnData": True}, *stats]}
        )
        found.append(
            AlarmDefinition(
                construct_id=f"NoCapacity-{part[0].name}" if alone else f"NoCapacity{number}",
                kind=kind,
                text=f"{names}: {kind.meaning}",
                properties={**properties, **common},
                severity=kind.severity,
            )
        )
    return found


def gpu_memory_alarm(endpoint: ObservedEndpoint, rules: AlarmRules) -> AlarmDefinition:
    """Return the alarm on GPU memory that is nearly full."""
    kind = catalogue.GPU_MEMORY
    return AlarmDefinition(
        construct_id="GpuMemory",
        kind=kind,
        text=f"{endpoint.endpoint_name}: {kind.meaning} ({rules.gpu_memory_percent:g} % for 15 minutes)",
        properties={
            **_one_metric(
                ENDPOINTS,
                "GPUMemoryUtilizationNormalized",
                {"EndpointName": endpoint.endpoint_name, "VariantName": endpoint.variant_name},
                statistic="Maximum",
                period=_FIVE_MINUTES,
            ),
            "EvaluationPeriods": 3,
            "Threshold": rules.gpu_memory_percent,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
        },
        severity=kind.severity,
    )


def log_alarms(endpoint: ObservedEndpoint) -> Iterator[AlarmDefinition]:
    """Return the alarms on failures that the engine logs."""
    kinds = {kind.id: kind for kind in catalogue.KINDS}
    for kind_id, metric in catalogue.LOG_METRICS.items():
        kind = kinds[kind_id]
        yield AlarmDefinition(
            construct_id=metric,
            kind=kind,
            text=f"{endpoint.endpoint_name}: {kind.meaning}",
            properties={
                **_one_metric(
                    catalogue.log_namespace(endpoint.endpoint_name), metric, {}, statistic="Sum", period=_FIVE_MINUTES
                ),
                "EvaluationPeriods": 1,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": "notBreaching",
            },
            severity=kind.severity,
        )


def _one_metric(
    namespace: str, name: str, dimensions: dict[str, str], *, statistic: str, period: int
) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": name,
        **({"Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()]} if dimensions else {}),
        "Statistic": statistic,
        "Period": period,
    }


def _batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
