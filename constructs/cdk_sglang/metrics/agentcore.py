"""Classic metrics of an agent on Bedrock AgentCore: of its runtime, its gateway and its memory.

AgentCore publishes no tokens: those of the model are the component's, and those of a turn are in its trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.metrics.classic import ClassicMetric
from cdk_sglang.metrics.cloudwatch import AGENTCORE, cloudwatch_metrics

DEFAULT_ENDPOINT: Final = "DEFAULT"
"""AgentCore's own endpoint of a runtime, which answers with the newest version."""


@checked_fields
@dataclass(frozen=True, kw_only=True)
class AgentMetrics:
    """Metrics of an agent.

    Attributes:
        runtime_name: Name of the runtime.
        runtime_arn: ARN of the runtime; may be known only at deployment, as all ARNs here.
        gateway_arn: ARN of the gateway of its tools; None without tools.
        memory_arn: ARN of its memory; None without memory.
    """

    runtime_name: str
    runtime_arn: str
    gateway_arn: str | None = None
    memory_arn: str | None = None

    @checked()
    def runtime(
        self,
        name: str,
        *,
        endpoint: str = DEFAULT_ENDPOINT,
        statistic: str | None = None,
        period_seconds: int = 300,
    ) -> ClassicMetric:
        """Return a metric of the runtime.

        Args:
            name: Name under which AWS publishes the metric, such as Invocations.
            endpoint: Endpoint of the runtime that callers name as the qualifier.
            statistic: Statistic; the metric's own by default.
            period_seconds: Length of a period.

        Raises:
            ConfigurationError: AWS does not publish the metric there.
        """
        dimensions = {
            "Operation": "InvokeAgentRuntime",
            "Name": f"{self.runtime_name}::{endpoint}",
            "Resource": self.runtime_arn,
        }
        return _metric(name, dimensions, statistic, period_seconds)

    @checked()
    def gateway(self, name: str, *, statistic: str | None = None, period_seconds: int = 300) -> ClassicMetric | None:
        """Return a metric of the gateway; None without one.

        Args:
            name: Name under which AWS publishes the metric, such as TargetExecutionTime.
            statistic: Statistic; the metric's own by default.
            period_seconds: Length of a period.

        Raises:
            ConfigurationError: AWS does not publish the metric there.
        """
        if self.gateway_arn is None:
            return None
        dimensions = {"Operation": "InvokeGateway", "Protocol": "MCP", "Resource": self.gateway_arn}
        return _metric(name, dimensions, statistic, period_seconds)

    @checked()
    def memory(
        self, name: str, *, operation: str, statistic: str | None = None, period_seconds: int = 300
    ) -> ClassicMetric | None:
        """Return a metric of the memory; None without one.

        Args:
            name: Name under which AWS publishes the metric, such as Errors.
            operation: Operation of the API, such as CreateEvent.
            statistic: Statistic; the metric's own by default.
            period_seconds: Length of a period.

        Raises:
            ConfigurationError: AWS does not publish the metric there.
        """
        if self.memory_arn is None:
            return None
        return _metric(name, {"Operation": operation, "Resource": self.memory_arn}, statistic, period_seconds)


def _metric(name: str, dimensions: Mapping[str, str], statistic: str | None, period_seconds: int) -> ClassicMetric:
    metric = cloudwatch_metrics().get((AGENTCORE, name))
    if metric is None or frozenset(dimensions) not in metric.dimensions:
        published = sorted(
            one.name
            for one in cloudwatch_metrics().values()
            if one.namespace == AGENTCORE and frozenset(dimensions) in one.dimensions
        )
        raise ConfigurationError(
            [Problem("name", f"{name!r} is not published for {dimensions['Operation']}; use {', '.join(published)}")]
        )
    return ClassicMetric(
        metric=metric,
        dimensions=dimensions,
        statistic=statistic or metric.statistic,
        period_seconds=period_seconds,
    )
