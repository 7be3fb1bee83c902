"""All alarms of an endpoint, before they are resources. No CDK."""

from __future__ import annotations

from dataclasses import dataclass

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.observability.alarms.definition import AlarmDefinition, WindowsAlarm
from cdk_sglang.observability.alarms.metric_alarms import (
    availability_alarms,
    gpu_memory_alarm,
    log_alarms,
    no_capacity_alarms,
)
from cdk_sglang.observability.alarms.promql_alarms import promql_alarms
from cdk_sglang.observability.observed import ObservedEndpoint
from cdk_sglang.spec.alarm_rules import AlarmRules


@dataclass(frozen=True, kw_only=True)
class AlarmDefinitions:
    """Alarms of an endpoint.

    Attributes:
        alarms: Alarms that fire by themselves.
        windows: Alarms that fire when two windows do.
        unwatched: Components whose latency objectives are not monitored, since that needs enrichment.
        unwatched_drafts: Components whose promised accept length is not monitored, for the same reason.
    """

    alarms: tuple[AlarmDefinition, ...]
    windows: tuple[WindowsAlarm, ...]
    unwatched: tuple[str, ...]
    unwatched_drafts: tuple[str, ...]


def alarm_definitions(
    endpoint: ObservedEndpoint,
    rules: AlarmRules,
    *,
    enrichment: bool,
    budget_usd_per_hour: float | None,
) -> AlarmDefinitions:
    """Return every alarm of an endpoint.

    Args:
        endpoint: The endpoint.
        rules: Burn rates and thresholds.
        enrichment: Whether CloudWatch answers PromQL over the engine's and the GPUs' metrics.
        budget_usd_per_hour: Maximum cost of the endpoint in US dollars per hour; not monitored if None.

    Raises:
        ConfigurationError: Objectives cannot be monitored; one problem for each.
    """
    problems: list[Problem] = []
    windows: list[WindowsAlarm] = []
    promql: list[AlarmDefinition] = []
    try:
        windows = availability_alarms(endpoint, rules)
    except ConfigurationError as error:
        problems += error.problems
    try:
        if enrichment:
            promql = list(promql_alarms(endpoint, rules, budget_usd_per_hour=budget_usd_per_hour))
    except ConfigurationError as error:
        problems += error.problems
    raise_if_any(problems)
    return AlarmDefinitions(
        alarms=(*no_capacity_alarms(endpoint), *log_alarms(endpoint), gpu_memory_alarm(endpoint, rules), *promql),
        windows=tuple(windows),
        unwatched=() if enrichment else _unwatched(endpoint),
        unwatched_drafts=() if enrichment else _unwatched_drafts(endpoint),
    )


def _unwatched(endpoint: ObservedEndpoint) -> tuple[str, ...]:
    return tuple(
        component.name
        for component in endpoint.components
        if component.specification.slo is not None and component.specification.slo.has_latency
    )


def _unwatched_drafts(endpoint: ObservedEndpoint) -> tuple[str, ...]:
    return tuple(
        component.name
        for component in endpoint.components
        if component.specification.slo is not None and component.specification.slo.accept_length is not None
    )
