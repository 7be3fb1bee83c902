"""Figures with the plan's band: predictions for a copy at its planned load, drawn behind the measured values."""

from __future__ import annotations

from cdk_sglang.metrics.figures.copies import copies_query
from cdk_sglang.metrics.figures.figure import Band, Figure, line
from cdk_sglang.metrics.promql import Place, mean, rate


def mean_latency(
    place: Place,
    *,
    key: str,
    title: str,
    plan_seconds: tuple[float, float] | None = None,
    objective_seconds: float | None = None,
    window: str = "5m",
) -> Figure:
    """Return the mean of a latency, which is what the plan predicts, with the plan's band and the objective.

    Args:
        place: Component.
        key: Key of the histogram, such as time_to_first_token.
        title: Name of the latency for people.
        plan_seconds: Lower and upper bound of the plan's mean; no band by default.
        objective_seconds: Objective of the mean; no line by default.
        window: Range that is averaged over.
    """
    plan = () if plan_seconds is None else (Band(label="plan", low=plan_seconds[0], high=plan_seconds[1]),)
    return Figure(
        key=f"mean_{key}",
        title=f"{title} (mean)",
        unit="seconds",
        advice="Above the band at planned load: look at the queue, at GPU use and at the last deployment; else the load is not as planned.",
        query=mean(key, place, window=window),
        bands=(*plan, *line("objective", objective_seconds)),
    )


def output_tokens_per_copy(
    place: Place, *, plan_per_copy: tuple[float, float] | None = None, window: str = "5m"
) -> Figure:
    """Return output tokens per second of a copy, with the plan's band at its planned load.

    Args:
        place: Component.
        plan_per_copy: Lower and upper bound of the plan's output tokens per second of a copy; no band by default.
        window: Range that is averaged over.
    """
    low_high = () if plan_per_copy is None else (Band(label="plan", low=plan_per_copy[0], high=plan_per_copy[1]),)
    return Figure(
        key="output_tokens_per_copy",
        title="Output tokens per second and copy",
        unit="tokens/s",
        advice="Below the band with a queue: look at GPU use and retractions. Below it without a queue: there is less load than planned.",
        query=f"({rate('generation_tokens', place, window=window)}) / ({copies_query(place)})",
        bands=low_high,
    )
