"""Figures of cost: US dollars per hour, per million tokens and per component, and GPU-hours that are paid for but idle.

Prices are the dated ones of `hardware.prices`, given as plain numbers; SageMaker bills instances from their launch to their end, while GPUs
publish from their first scrape to five minutes after the last, so a figure is late by minutes and exact in between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from cdk_sglang.metrics.classic import classic_metric, math, utilization_namespace
from cdk_sglang.metrics.figures.copies import copies_query, instances_query
from cdk_sglang.metrics.figures.figure import HOUR_SECONDS, Figure, line
from cdk_sglang.metrics.promql import Place, gauge, rate
from cdk_sglang.metrics.ranges import seconds
from cdk_sglang.metrics.series import GPU, INSTANCE, INSTANCE_TYPE

_LATE: Final = "Instances count from their first GPU metric, not from their launch, and five minutes beyond their last."


@dataclass(frozen=True, kw_only=True)
class PricedType:
    """An instance type of an endpoint, with its price.

    Attributes:
        instance: Instance type, such as ml.g6e.12xlarge.
        usd_per_hour: US dollars per instance and hour, from a dated price.
        gpus: GPUs of an instance.
        gpus_per_copy: GPUs of a component's copy on it; 0 where only the endpoint matters.
    """

    instance: str
    usd_per_hour: float
    gpus: int
    gpus_per_copy: int = 0


def of_type(place: Place, instance: str) -> Place:
    """Return the series of one instance type; AWS's pages do not say whether the label has SageMaker's `ml.` in front."""
    return place.where(patterns={INSTANCE_TYPE: f"(ml\\.)?{re.escape(instance.removeprefix('ml.'))}"})


def usd_per_hour_query(place: Place, types: Sequence[PricedType]) -> str:
    """Return PromQL for what the instances that run cost per hour."""
    each = (
        f"(({instances_query(of_type(place, one.instance), by_type=True)}) * {one.usd_per_hour:.10g})" for one in types
    )
    return f"sum ({' or '.join(each)})"


def usd_per_hour(place: Place, *, types: Sequence[PricedType], budget: float | None = None) -> Figure:
    """Return what an endpoint costs per hour now.

    Args:
        place: Endpoint.
        types: Its instance types with their prices.
        budget: US dollars per hour that it should stay below; no line by default.
    """
    classic = None
    if len(types) == 1:
        classic = math(
            f"requests / per_instance * {types[0].usd_per_hour:.10g}",
            {
                "requests": classic_metric("Invocations", place),
                "per_instance": classic_metric("InvocationsPerInstance", place),
            },
        )
    return Figure(
        key="usd_per_hour",
        title="US dollars per hour now",
        unit="USD/h",
        advice="High without load: let components scale to zero, stop the endpoint at night, or lower min_instances.",
        query=usd_per_hour_query(place, types),
        classic=classic,
        bands=line("budget", budget),
        note=f"{_LATE} The classic form divides requests by requests per instance and so needs traffic.",
    )


def component_usd_per_hour(place: Place, *, types: Sequence[PricedType]) -> Figure:
    """Return what the GPUs that a component's copies reserve cost per hour now.

    Args:
        place: Component.
        types: Instance types of its endpoint, with the GPUs of a copy on each.
    """
    only = types[0] if len(types) == 1 else None
    classic = None
    if only is not None:
        classic = math(
            f"requests / per_copy * {_usd_per_copy(only):.10g}",
            {
                "requests": classic_metric("Invocations", place),
                "per_copy": classic_metric("InvocationsPerCopy", place),
            },
        )
    return Figure(
        key="component_usd_per_hour",
        title="US dollars per hour of reserved GPUs",
        unit="USD/h",
        advice="High for its traffic: lower min_copies, or share instances with other components.",
        query=component_usd_per_hour_query(place, types),
        classic=classic,
        note="GPUs that no copy reserves are not counted: see idle GPU-hours. The classic form needs traffic.",
    )


def component_usd_per_hour_query(place: Place, types: Sequence[PricedType]) -> str:
    """Return PromQL for what the GPUs that a component's copies reserve cost per hour."""
    each = [f"(({copies_query(of_type(place, one.instance))}) * {_usd_per_copy(one):.10g})" for one in types]
    if len(each) == 1:
        return each[0]
    return " + ".join(f"({query} or vector(0))" for query in each)


_LEAST_TOKENS_PER_S: Final = 1
"""Minimum token rate for a price: at almost no tokens per second the price is hundreds of thousands of dollars, which is meaningless and
would flatten the rest of the panel."""


def _usd_per_copy(one: PricedType) -> float:
    return one.usd_per_hour * one.gpus_per_copy / one.gpus


def usd_per_million_tokens(
    place: Place,
    *,
    types: Sequence[PricedType],
    tokens: Literal["output", "all"] = "output",
    plan: float | None = None,
    window: str = "15m",
) -> Figure:
    """Return what a million tokens cost at the load of now.

    Args:
        place: Endpoint, or a component whose types say the GPUs of its copies.
        types: Instance types with their prices.
        tokens: Whether the cost falls on output tokens alone, or on prompt and output tokens alike.
        plan: The plan's price of a million such tokens; no line by default.
        window: Range that tokens are averaged over.
    """
    cost = usd_per_hour_query(place, types) if place.component is None else component_usd_per_hour_query(place, types)
    counters = ("generation_tokens",) if tokens == "output" else ("generation_tokens", "prompt_tokens")
    per_second = " + ".join(f"({rate(counter, place, window=window)})" for counter in counters)
    return Figure(
        key=f"usd_per_million_{tokens}_tokens",
        title=f"US dollars per million {'output tokens' if tokens == 'output' else 'tokens'}",
        unit="USD",
        advice="Rises as load falls: see copies and min_copies. Above the plan at planned load: see tokens per second and GPU.",
        query=f"({cost}) / (({per_second}) * 0.0036 > {_LEAST_TOKENS_PER_S * 0.0036})",
        bands=line("plan, at its load", plan),
        note=f"{_LATE} Below {_LEAST_TOKENS_PER_S} token per second there is no price.",
    )


def idle_gpu_hours(place: Place, *, window: str = "1h", gpu_below_percent: float = 1) -> Figure:
    """Return the GPU-hours of a window that were paid for while the GPU did next to nothing.

    Args:
        place: Endpoint.
        window: Window, such as 1h or 1d.
        gpu_below_percent: Use of a GPU, in percent, below which it counts as idle.
    """
    hours = seconds(window) / HOUR_SECONDS
    idle = f"avg_over_time(({{use}} < bool {gpu_below_percent:g})[{window}:5m])"
    use = gauge("gpu_utilization", place, aggregate="avg", labels=(INSTANCE, GPU))
    return Figure(
        key="idle_gpu_hours",
        title=f"Idle GPU-hours paid for ({window})",
        unit="GPU-hours",
        advice="Above zero every night: stop the endpoint then (nightly_stop), or let its components go to zero.",
        query=f"sum ({idle.format(use=f'({use})')}) * {hours:g}",
        classic=math(
            "1 - gpu / 100",
            {
                "gpu": classic_metric(
                    "GPUUtilizationNormalized", place, namespace=utilization_namespace(place), statistic="Average"
                )
            },
            label="Share of paid GPU time without work",
        ),
        note="A GPU that published for a part of the window counts as if for all of it. Needs subqueries, which AWS does not say CloudWatch has.",
    )
