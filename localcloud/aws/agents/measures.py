"""Classic metrics of runtimes, gateways and memories, published with each request.

Names, dimensions and units: AgentCore's pages on generated observability data
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/observability-runtime-metrics.html, read 2026-11) and aws-cdk-lib 2.275.0. Not
published: totals over all resources, use of CPU and memory, `TargetType` and `CreationCount`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.agents.records import Gateway, Record, Runtime
from localcloud.aws.agents.store import Store
from localcloud.aws.clock import clock

_NAMESPACE: Final = "AWS/Bedrock-AgentCore"
_COUNTED: Final = {"ThrottlingException": "Throttles", "InternalServerException": "SystemErrors"}
"""Metric of an error; every other error counts as UserErrors, including the agent's own (RuntimeClientError, 424)."""
_MILLISECONDS: Final = 1000


class Request:
    """A request that is being answered.

    Args:
        account: AWS account of the resource.
        region: Region of the resource.
        dimensions: Dimensions of the resource's metrics.
    """

    def __init__(self, account: str, region: str, dimensions: Mapping[str, str]) -> None:
        self._place = (account, region)
        self._dimensions = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        self._began = time.monotonic()

    @property
    def milliseconds(self) -> float:
        """Time since the request began."""
        return _MILLISECONDS * (time.monotonic() - self._began)

    def put(self, counts: Mapping[str, float], times: Mapping[str, float]) -> None:
        """Publish counts, and times in milliseconds."""
        account, region = self._place
        units = [("Count", counts), ("Milliseconds", times)]
        points = [
            {
                "MetricName": name,
                "Dimensions": self._dimensions,
                "Value": float(value),
                "Unit": unit,
                "Timestamp": clock().utc(),
            }
            for unit, values in units
            for name, value in values.items()
        ]
        cloudwatch_backends[account][region].put_metric_data(_NAMESPACE, points)


class Turn(Request):
    """A request to a runtime.

    Attributes:
        begins_session: Whether the request begins its session.
    """

    def __init__(self, state: Store, runtime: Runtime, qualifier: str) -> None:
        name = f"{runtime.name}::{qualifier}"
        dimensions = {"Operation": "InvokeAgentRuntime", "Name": name, "Resource": runtime.arn}
        super().__init__(state.account, state.region, dimensions)
        self.begins_session = False

    def ended(self, error: str = "") -> None:
        """Publish the request, whose answer has ended, or that got an error of this name."""
        counts = _errors(error)
        total = counts["SystemErrors"] + counts["UserErrors"]
        counts |= {"Invocations": 1, "TotalErrors": total, "SessionCount": int(self.begins_session)}
        self.put(counts, {"Latency": self.milliseconds})


class GatewayRequest(Request):
    """A request to a gateway."""

    def __init__(self, state: Store, gateway: Gateway) -> None:
        dimensions = {"Operation": "InvokeGateway", "Protocol": "MCP", "Resource": gateway.arn}
        super().__init__(state.account, state.region, dimensions)

    def ended(self, error: str = "") -> None:
        """Publish the request, which was answered, or that got an error of this name; nothing streams, so both times are the same."""
        elapsed = self.milliseconds
        self.put({"Invocations": 1, **_errors(error)}, {"Latency": elapsed, "Duration": elapsed})

    def target_ended(self) -> None:
        """Publish the time in the function, of a request to it."""
        self.put({}, {"TargetExecutionTime": self.milliseconds})


class MemoryRequest(Request):
    """A request to a memory."""

    def __init__(self, account: str, region: str, memory: Record, operation: str) -> None:
        super().__init__(account, region, {"Operation": operation, "Resource": memory.arn})

    def ended(self, *, failed: bool) -> None:
        """Publish the request."""
        self.put({"Invocations": 1, "Errors": int(failed)}, {"Latency": self.milliseconds})


def _errors(code: str) -> dict[str, float]:
    counts = {"Throttles": 0.0, "SystemErrors": 0.0, "UserErrors": 0.0}
    if code:
        counts[_COUNTED.get(code, "UserErrors")] = 1
    return counts
