"""Figures of the promise to answer in time: latency against plan and objective, slow answers, goodput."""

from __future__ import annotations

from typing import Final

from cdk_sglang.metrics.buckets import bucket_at_most
from cdk_sglang.metrics.classic import Classic, classic_metric, math
from cdk_sglang.metrics.figures.figure import Band, Figure, line
from cdk_sglang.metrics.promql import Place, quantile, share_above
from cdk_sglang.metrics.ranges import seconds

_MICROSECONDS: Final = 1_000_000

# FirstChunkModelLatency is documented with bidirectional streaming; whether response streams publish it is undocumented.
_CLASSIC_LATENCY: Final = {"time_to_first_token": "FirstChunkModelLatency", "request_latency": "ModelLatency"}


def slow_share(
    place: Place, *, key: str, bound_seconds: float, window: str = "5m", target: float | None = None
) -> Figure:
    """Return the share of answers slower than a bound.

    Args:
        place: Endpoint or component.
        key: Key of the histogram: time_to_first_token, time_per_output_token, inter_token_latency, request_latency or queue_time.
        bound_seconds: Bound; it is rounded down to a bucket of SGLang's histogram (`bucket_at_most`).
        window: Range that is looked at.
        target: Share of answers that should be within the bound, such as 0.95; no line by default.

    Raises:
        ConfigurationError: If the bound is below the histogram's smallest bucket.
    """
    bucket = bucket_at_most(key, bound_seconds)
    return Figure(
        key=f"slow_{key}",
        title=f"Share of answers with {key.replace('_', ' ')} above {bound_seconds:g} s ({window})",
        unit="ratio",
        advice="Above the line: look at the queue first, then at GPU use; add copies, or lower max_running_requests.",
        query=share_above(bucket.bound, key, place, window=window),
        classic=_slow_classic(place, key, bound_seconds, seconds(window)),
        bands=line("objective", None if target is None else 1 - target),
        note=_bucket_note(key, bound_seconds),
    )


def latency_burn_rate(place: Place, *, key: str, bound_seconds: float, target: float, window: str) -> Figure:
    """Return how many times faster than allowed slow answers spend their budget in a window.

    Args:
        place: Endpoint or component.
        key: Key of the histogram.
        bound_seconds: Bound; it is rounded down to a bucket of SGLang's histogram.
        target: Share of answers that should be within the bound, such as 0.95.
        window: Window, such as 1h.

    Raises:
        ConfigurationError: If the bound is below the histogram's smallest bucket.
    """
    slow = slow_share(place, key=key, bound_seconds=bound_seconds, window=window)
    budget = f"{1 - target:.10g}"
    return Figure(
        key=f"burn_rate_{key}_{window}",
        title=f"Burn rate of {key.replace('_', ' ')} ({window})",
        unit="times",
        advice="Above 1 the budget does not last its period: look at the queue first, then at GPU use.",
        query=f"({slow.query}) / {budget}",
        classic=slow.classic
        and math(
            f"({slow.classic.expression}) / {budget}", slow.classic.metrics, period_seconds=slow.classic.period_seconds
        ),
        bands=line("as fast as allowed", 1),
        note=slow.note,
    )


def goodput(
    place: Place, *, ttft_seconds: float | None = None, tpot_seconds: float | None = None, window: str = "5m"
) -> Figure:
    """Return the share of answers that kept every latency objective, at the least.

    SGLang publishes a histogram for each objective and none of both together: answers that miss both are subtracted twice.

    Args:
        place: Endpoint or component.
        ttft_seconds: Objective of the time to the first token; none by default.
        tpot_seconds: Objective of the time per further token; none by default.
        window: Range that is looked at.

    Raises:
        ValueError: If neither objective is given.
        ConfigurationError: If an objective is below its histogram's smallest bucket.
    """
    objectives = {"time_to_first_token": ttft_seconds, "time_per_output_token": tpot_seconds}
    bounds = {key: bound for key, bound in objectives.items() if bound is not None}
    if not bounds:
        raise ValueError("goodput needs an objective: ttft_seconds or tpot_seconds")
    slow = [
        f"({share_above(bucket_at_most(key, bound).bound, key, place, window=window)})" for key, bound in bounds.items()
    ]
    notes = [_bucket_note(key, bound) for key, bound in bounds.items()]
    if len(bounds) > 1:
        notes.append(
            "Answers that miss both objectives are counted twice, so the true share is not below the one shown."
        )
    first = None if ttft_seconds is None else _slow_classic(place, "time_to_first_token", ttft_seconds, seconds(window))
    return Figure(
        key="goodput",
        title=f"Goodput: share of answers within the objectives ({window})",
        unit="ratio",
        advice="Falling with load: the copies are past their planned concurrency; scale out earlier or allow more copies.",
        query=f"clamp_min(1 - ({' + '.join(slow)}), 0)",
        classic=first
        and math(
            f"1 - ({first.expression})",
            first.metrics,
            period_seconds=first.period_seconds,
            label="Share of streams whose first part came within the objective",
        ),
        note=" ".join(note for note in notes if note),
    )


def latency(
    place: Place,
    *,
    key: str,
    share: float = 0.95,
    window: str = "5m",
    plan_seconds: tuple[float, float] | None = None,
    objective_seconds: float | None = None,
) -> Figure:
    """Return a quantile of a latency, with the plan's band and the objective.

    Args:
        place: Endpoint or component.
        key: Key of the histogram, such as time_to_first_token.
        share: Quantile.
        window: Range that is looked at.
        plan_seconds: Lower and upper bound of the plan's prediction; no band by default.
        objective_seconds: Objective; no line by default.
    """
    plan = () if plan_seconds is None else (Band(label="plan", low=plan_seconds[0], high=plan_seconds[1]),)
    classic, name = None, _CLASSIC_LATENCY.get(key)
    if name is not None:
        quantile_metric = classic_metric(name, place, statistic=f"p{share * 100:g}", period_seconds=seconds(window))
        classic = math(
            f"latency / {_MICROSECONDS}",
            {"latency": quantile_metric},
            period_seconds=seconds(window),
            label=f"{name} (p{share * 100:g})",
        )
    return Figure(
        key=f"{key}_p{share * 100:g}",
        title=f"{key.replace('_', ' ').capitalize()} (p{share * 100:g})",
        unit="seconds",
        advice="Above the band at planned load: the plan is wrong or the engine is unwell; compare queue, GPU use and the last deployment.",
        query=quantile(share, key, place, window=window),
        classic=classic,
        bands=(*plan, *line("objective", objective_seconds)),
        note="The plan's band is for the mean.",
    )


def _slow_classic(place: Place, key: str, bound_seconds: float, period_seconds: int) -> Classic | None:
    """Return metric math for the share above a bound, by CloudWatch's percentile rank; None without such a metric.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html (PR, read 2026-11)
    """
    name = _CLASSIC_LATENCY.get(key)
    if name is None:
        return None
    rank = classic_metric(
        name, place, statistic=f"PR(:{bound_seconds * _MICROSECONDS:.0f})", period_seconds=period_seconds
    )
    return math("1 - within / 100", {"within": rank}, period_seconds=period_seconds)


def _bucket_note(key: str, bound_seconds: float) -> str:
    bucket = bucket_at_most(key, bound_seconds)
    if bucket.is_exact:
        return ""
    return f"SGLang's histogram has no bucket at {bound_seconds:g} s: answers above {bucket.bound:g} s count as slow."
