"""Every alarm of an endpoint: its meaning, its severity, what to do, and its treatment of missing data. No CDK.

A PromQL alarm has no treatment of missing data: a series that the query does not return counts as OK
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-promql.html, read 2026-11), so an idle endpoint cannot fire it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from cdk_sglang.spec.alarm_rules import Severity

Source: TypeAlias = Literal["metric", "log", "promql"]
"""CloudWatch's classic metrics, metrics counted in the endpoint's logs, or PromQL, which needs OTel enrichment."""

_ASLEEP: Final = "an endpoint or component at zero publishes nothing, and sleeping is not a fault"
_NO_LINE: Final = "the metric is published only when such a line is logged, so no data is no failure"
_PROMQL: Final = "a series that is not there is not returned, and what is not returned is well"

DEPLOYMENT_METRIC: Final = "DeploymentRunning"
"""Metric that is 1 while a deployment of an endpoint runs; its alarm keeps the others from paging, and is no fault."""


@dataclass(frozen=True, kw_only=True)
class AlarmKind:
    """A kind of alarm.

    Attributes:
        id: Name of the kind, and of its runbook page.
        severity: Whether it pages or waits for working hours; for a burn rate, each rule specifies it.
        source: Source of its data.
        meaning: What is wrong when it fires, as a clause.
        action: What to do first.
        missing_reason: Why missing data counts as good.
        pending_minutes: PromQL: minutes for which the query must hold.
        recovery_minutes: PromQL: minutes for which the query must no longer hold.
        optional: Setting that enables it; empty if it always exists.
    """

    id: str
    severity: Severity
    source: Source
    meaning: str
    action: str
    missing_reason: str
    pending_minutes: int = 0
    recovery_minutes: int = 5
    optional: str = ""

    @property
    def needs_enrichment(self) -> bool:
        """Whether it exists only with OTel enrichment."""
        return self.source == "promql"


def _metric(kind_id: str, severity: Severity, meaning: str, action: str, *, optional: str = "") -> AlarmKind:
    return AlarmKind(
        id=kind_id,
        severity=severity,
        source="metric",
        meaning=meaning,
        action=action,
        missing_reason=_ASLEEP,
        optional=optional,
    )


def _log(kind_id: str, severity: Severity, meaning: str, action: str) -> AlarmKind:
    return AlarmKind(
        id=kind_id, severity=severity, source="log", meaning=meaning, action=action, missing_reason=_NO_LINE
    )


def _promql(
    kind_id: str, severity: Severity, meaning: str, action: str, *, pending_minutes: int = 0, optional: str = ""
) -> AlarmKind:
    return AlarmKind(
        id=kind_id,
        severity=severity,
        source="promql",
        meaning=meaning,
        action=action,
        missing_reason=_PROMQL,
        pending_minutes=pending_minutes,
        optional=optional,
    )


AVAILABILITY_BURN: Final = _metric(
    "availability-burn",
    "page",
    "requests fail at a rate that spends the error budget of the promise too soon",
    "see which component fails, and whether a deployment or the engine's log explains it",
    optional="slo.availability_percent",
)
LATENCY_BURN: Final = _promql(
    "latency-burn",
    "page",
    "requests are slower than promised at a rate that spends the error budget of the promise too soon",
    "compare load with the plan, and look for a queue and a full KV cache",
    optional="slo.ttft_ms or slo.tpot_ms",
)
NO_CAPACITY: Final = _metric(
    "no-capacity",
    "page",
    "requests find no copy to run on, although at least one should always run",
    "see why copies do not start: instances, the model, or the engine's log",
)
QUEUE_STUCK: Final = _promql(
    "queue-stuck",
    "page",
    "requests wait and the engine of a copy has produced no token for five minutes",
    "read the engine's log, and replace the copy that hangs",
)
ENGINE_WATCHDOG: Final = _log(
    "engine-watchdog",
    "page",
    "the engine's watchdog found it hanging",
    "check whether the copy recovered by itself, and keep its log",
)
COPIES_MISSING: Final = _promql(
    "copies-missing",
    "ticket",
    "fewer copies run than the minimum",
    "check whether instances are unavailable or copies fail to start",
    pending_minutes=15,
)
INSUFFICIENT_CAPACITY: Final = _promql(
    "insufficient-capacity",
    "ticket",
    "AWS had no instance to launch in the last 15 minutes",
    "add an instance type to the pool, a zone, or reserve capacity",
)
KV_PRESSURE: Final = _promql(
    "kv-pressure",
    "ticket",
    "the KV cache has been full for 15 minutes while requests wait",
    "let scaling add copies sooner, or shorten the context",
    pending_minutes=5,
)
RETRACTIONS: Final = _promql(
    "retractions",
    "ticket",
    "requests lose their place in the KV cache and start again",
    "lower the requests in flight per copy",
)
QUEUE_GROWTH: Final = _promql(
    "queue-growth",
    "ticket",
    "requests have waited for the engine for 10 minutes without interruption",
    "let scaling add copies sooner, or raise its maximum",
)
GPU_MEMORY: Final = _metric(
    "gpu-memory",
    "ticket",
    "GPU memory is nearly full, beyond what the engine reserves",
    "compare the plan's memory with what is used, and lower mem_fraction_static",
)
GPU_XID: Final = _log(
    "gpu-xid",
    "ticket",
    "the driver reported a GPU fault (XID)",
    "look up the XID, and replace the instance if the GPU is faulty",
)
CUDA_FAILURE: Final = _log(
    "cuda-failure", "ticket", "a CUDA call failed in the engine", "read the lines around it, and look for an XID"
)
NCCL_FAILURE: Final = _log(
    "nccl-failure",
    "ticket",
    "GPUs of a copy could not communicate with each other (NCCL)",
    "check whether the copy recovered, and look for an XID",
)
OUT_OF_MEMORY: Final = _log(
    "out-of-memory",
    "ticket",
    "the engine ran out of GPU memory",
    "lower mem_fraction_static, or the context length",
)
GPU_SLOW_SIBLING: Final = _promql(
    "gpu-slow-sibling",
    "ticket",
    "one GPU of a copy has been far less busy than another for 15 minutes",
    "compare the GPUs' temperatures, and replace the instance if one lags behind",
)
GPU_TEMPERATURE: Final = _promql(
    "gpu-temperature",
    "ticket",
    "a GPU has been hot for 10 minutes",
    "check whether it is throttled, and replace the instance if only this GPU is hot",
)
ENGINE_RESTART: Final = _promql(
    "engine-restart",
    "ticket",
    "the engine of a copy restarted in the last hour without a deployment",
    "read the log from before the start",
)
COST_OVER_BUDGET: Final = _promql(
    "cost-over-budget",
    "ticket",
    "the running instances cost more per hour than the budget",
    "see which instances run, and why scaling keeps them",
    pending_minutes=30,
    optional="budget_usd_per_hour",
)
ACCEPT_LENGTH: Final = _promql(
    "accept-length",
    "ticket",
    "speculative decoding accepts fewer tokens per step than promised",
    "see whether requests or the draft model changed",
    pending_minutes=30,
    optional="slo.accept_length",
)
PLAN_BAND: Final = _promql(
    "plan-band",
    "ticket",
    "latency has been above the plan for an hour at no more than the planned load",
    "compare the options and the requests with those of the plan",
    pending_minutes=60,
    optional="rules.plan_band",
)

KINDS: Final = (
    AVAILABILITY_BURN,
    LATENCY_BURN,
    NO_CAPACITY,
    QUEUE_STUCK,
    ENGINE_WATCHDOG,
    COPIES_MISSING,
    INSUFFICIENT_CAPACITY,
    KV_PRESSURE,
    RETRACTIONS,
    QUEUE_GROWTH,
    GPU_MEMORY,
    GPU_XID,
    CUDA_FAILURE,
    NCCL_FAILURE,
    OUT_OF_MEMORY,
    GPU_SLOW_SIBLING,
    GPU_TEMPERATURE,
    ENGINE_RESTART,
    COST_OVER_BUDGET,
    ACCEPT_LENGTH,
    PLAN_BAND,
)
"""Every kind, those that wake somebody first."""

LOG_METRICS: Final[Mapping[str, str]] = {
    ENGINE_WATCHDOG.id: "EngineWatchdog",
    GPU_XID.id: "GpuXid",
    CUDA_FAILURE.id: "CudaFailure",
    NCCL_FAILURE.id: "EngineNcclFailure",
    OUT_OF_MEMORY.id: "EngineOutOfMemory",
}
"""Metrics that filters of the endpoint's logs publish, without dimensions, in the namespace `log_namespace`."""


def log_namespace(endpoint_name: str) -> str:
    """Return the namespace of the metrics that are counted in an endpoint's logs."""
    return f"cdk-sglang/{endpoint_name}"


def runbook(kind: AlarmKind, address: str) -> str:
    """Return the location of the runbook page of a kind: a file of the repository, or a page of a site.

    Args:
        kind: The kind.
        address: Folder or address that holds the pages.
    """
    ending = "html" if address.startswith(("http://", "https://")) else "md"
    return f"{address.rstrip('/')}/{kind.id}.{ending}"
