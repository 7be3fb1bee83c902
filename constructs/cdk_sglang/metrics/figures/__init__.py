"""Figures derived from the metrics: load, cost and objectives of an endpoint. No CDK.

Functions take plain values (names, GPUs, prices, numbers of the plan, objectives) and return a `Figure`.
"""

from cdk_sglang.metrics.figures.copies import (
    copies_counted,
    copies_missing,
    copies_query,
    copies_running,
    copies_short,
    decisions_made,
    instances_query,
    instances_running,
    scaling_decisions,
)
from cdk_sglang.metrics.figures.cost import (
    PricedType,
    component_usd_per_hour,
    idle_gpu_hours,
    usd_per_hour,
    usd_per_million_tokens,
)
from cdk_sglang.metrics.figures.figure import Band, Figure
from cdk_sglang.metrics.figures.gpus import gpu_memory_used, gpu_spread, gpu_temperature, gpu_utilization
from cdk_sglang.metrics.figures.life import (
    copies_moved,
    instances_released,
    launches_refused,
    rebalancings_blocked,
    reservation_days_left,
    scaling_events,
    startup_phases,
)
from cdk_sglang.metrics.figures.load import (
    accept_length,
    accept_rate,
    adapter_places_used,
    adapters_loaded,
    cache_hit_rate,
    kv_share_used,
    kv_tokens_against_plan,
    kv_tokens_used,
    output_tokens_per_second,
    queue_age,
    queue_length,
    retracted_requests,
    tokens_per_second_per_gpu,
)
from cdk_sglang.metrics.figures.plan import mean_latency, output_tokens_per_copy
from cdk_sglang.metrics.figures.promise import (
    availability,
    burn_rate,
    error_budget_left,
    error_ratio,
    error_ratio_classic,
    error_ratio_query,
)
from cdk_sglang.metrics.figures.speed import goodput, latency, latency_burn_rate, slow_share

__all__ = [
    "Band",
    "Figure",
    "PricedType",
    "accept_length",
    "accept_rate",
    "adapter_places_used",
    "adapters_loaded",
    "availability",
    "burn_rate",
    "cache_hit_rate",
    "component_usd_per_hour",
    "copies_counted",
    "copies_missing",
    "copies_moved",
    "copies_query",
    "copies_running",
    "copies_short",
    "decisions_made",
    "error_budget_left",
    "error_ratio",
    "error_ratio_classic",
    "error_ratio_query",
    "goodput",
    "gpu_memory_used",
    "gpu_spread",
    "gpu_temperature",
    "gpu_utilization",
    "idle_gpu_hours",
    "instances_query",
    "instances_released",
    "instances_running",
    "kv_share_used",
    "kv_tokens_against_plan",
    "kv_tokens_used",
    "latency",
    "latency_burn_rate",
    "launches_refused",
    "mean_latency",
    "output_tokens_per_copy",
    "output_tokens_per_second",
    "queue_age",
    "queue_length",
    "rebalancings_blocked",
    "reservation_days_left",
    "retracted_requests",
    "scaling_decisions",
    "scaling_events",
    "slow_share",
    "startup_phases",
    "tokens_per_second_per_gpu",
    "usd_per_hour",
    "usd_per_million_tokens",
]
