"""Alarm on turns of an agent that fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cdk_sglang.metrics.agentcore import DEFAULT_ENDPOINT, AgentMetrics
from cdk_sglang.serving.alarms.alarms import make_alarm

if TYPE_CHECKING:
    from constructs import Construct

    from cdk_sglang.serving.alarms.choice import Alarms
    from cdk_sglang.spec.alarms import NoAlarms

_PERIOD_SECONDS: Final = 900


def make_failed_turns_alarms(
    scope: Construct,
    metrics: AgentMetrics,
    *,
    name: str,
    failed_turns: int,
    choice: Alarms | NoAlarms,
    endpoints: Sequence[str] = (),
) -> None:
    """Create an alarm for each endpoint of a runtime on turns that failed within 15 minutes, by AgentCore's, the agent's or the caller's fault.

    An agent without requests publishes no metrics, which is not a failure.

    Args:
        scope: Parent.
        metrics: Metrics of the agent.
        name: Name of the environment.
        failed_turns: Failed turns at which the alarm fires.
        choice: Whom the alarm notifies, or why it notifies nobody.
        endpoints: Named endpoints of the runtime, in addition to AgentCore's own.
    """
    for endpoint in (DEFAULT_ENDPOINT, *endpoints):
        metric = metrics.runtime("TotalErrors", endpoint=endpoint, period_seconds=_PERIOD_SECONDS)
        make_alarm(
            scope,
            f"FailedTurns-{endpoint}",
            choice=choice,
            description=(
                f"{metrics.runtime_name} ({endpoint}): {failed_turns} or more turns failed within 15 minutes. See dashboard {name}_agent: system "
                "errors are AgentCore's or of a start that took over 30 s; user errors are the agent's own failures, or callers' rights and payloads. "
                f"The agent's log: /aws/bedrock-agentcore/runtimes/<id>-{endpoint}"
            ),
            namespace=metric.metric.namespace,
            metric_name=metric.metric.name,
            dimensions=metric.dimensions,
            statistic=metric.statistic,
            period_seconds=metric.period_seconds,
            evaluation_periods=1,
            threshold=failed_turns,
            comparison="GreaterThanOrEqualToThreshold",
        )
