"""Figures of load: tokens, KV cache, queue, prefix cache, speculative decoding, adapters."""

from __future__ import annotations

from cdk_sglang.metrics.classic import classic_metric, math
from cdk_sglang.metrics.figures.copies import copies_query
from cdk_sglang.metrics.figures.figure import Band, Figure, line
from cdk_sglang.metrics.promql import Place, either, gauge, increase, mean, quantile, rate, rate_or_zero
from cdk_sglang.metrics.series import CONTAINER, INSTANCE


def output_tokens_per_second(
    place: Place, *, plan_per_copy: tuple[float, float] | None = None, copies: int = 1, window: str = "5m"
) -> Figure:
    """Return output tokens per second of all copies, with the plan's band.

    Args:
        place: Endpoint or component.
        plan_per_copy: Lower and upper bound of the plan's output tokens per second of a copy at its planned load; no band by default.
        copies: Copies that the band is drawn for.
        window: Range that is averaged over.
    """
    bands: tuple[Band, ...] = ()
    if plan_per_copy is not None:
        low, high = plan_per_copy
        bands = (Band(label=f"plan, {copies} copies at their load", low=copies * low, high=copies * high),)
    return Figure(
        key="output_tokens_per_second",
        title="Output tokens per second",
        unit="tokens/s",
        advice="Below the band with a queue: look at GPU use and retractions. Below it without a queue: there is less load than planned.",
        query=rate("generation_tokens", place, window=window),
        bands=bands,
    )


def tokens_per_second_per_gpu(place: Place, *, gpus_per_copy: int, window: str = "5m") -> Figure:
    """Return output tokens per second of each GPU that runs a copy.

    Args:
        place: Component.
        gpus_per_copy: GPUs of a copy.
        window: Range that is averaged over.
    """
    tokens = rate("generation_tokens", place, window=window)
    return Figure(
        key="tokens_per_second_per_gpu",
        title="Output tokens per second and GPU",
        unit="tokens/s",
        advice="Low while requests run: batches are small or contexts long; fewer copies or another instance type serve the same load for less.",
        query=f"({tokens}) / ({gpus_per_copy} * ({copies_query(place)}))",
    )


def kv_tokens_used(place: Place, *, plan_tokens_per_copy: int | None = None, copies: int = 1) -> Figure:
    """Return the KV tokens in use on all copies.

    Args:
        place: Endpoint or component.
        plan_tokens_per_copy: KV tokens that a copy holds by the plan; no line by default.
        copies: Copies that the line is drawn for.
    """
    planned = None if plan_tokens_per_copy is None else float(copies * plan_tokens_per_copy)
    return Figure(
        key="kv_tokens_used",
        title="KV tokens in use",
        unit="tokens",
        advice="At the line: requests queue or are retracted; add copies, or lower context_length.",
        query=gauge("kv_tokens_used", place),
        bands=line("the plan's KV tokens", planned),
    )


def kv_share_used(place: Place, *, plan_tokens_per_copy: int | None = None) -> Figure:
    """Return the share of the KV cache in use on the fullest copy: of the plan's tokens, or of the engine's if there is no plan.

    Args:
        place: Endpoint or component.
        plan_tokens_per_copy: KV tokens that a copy holds by the plan; the engine's own share by default.
    """
    copy = (CONTAINER, INSTANCE)
    used = gauge("kv_tokens_used", place, labels=copy)
    share = gauge("kv_share_used", place, aggregate="max")
    return Figure(
        key="kv_share_used",
        title="Share of KV tokens in use, fullest copy",
        unit="ratio",
        advice="Above 0.9 for long: requests are about to be retracted; add copies, or give SGLang more memory (mem_fraction_static).",
        query=share if plan_tokens_per_copy is None else either([f"max (({used}) / {plan_tokens_per_copy})", share]),
        bands=line("retractions are near", 0.9),
        note=""
        if plan_tokens_per_copy is None
        else "Where CloudWatch has no token count, the engine's own share is shown.",
    )


def kv_tokens_against_plan(place: Place, *, plan_tokens_per_copy: int) -> Figure:
    """Return the KV tokens that a copy's engine has, as a share of those that the plan gave it; the copy with the fewest.

    Args:
        place: Component.
        plan_tokens_per_copy: KV tokens that a copy holds by the plan.
    """
    return Figure(
        key="kv_tokens_against_plan",
        title="KV tokens of a copy against the plan",
        unit="ratio",
        advice="Below 1: the engine found less memory than planned; compare its start-up log with the plan's memory table.",
        query=f"({gauge('kv_tokens_total', place, aggregate='min')}) / {plan_tokens_per_copy}",
        bands=line("as planned", 1),
    )


def queue_length(place: Place, *, planned_concurrency: float | None = None) -> Figure:
    """Return the requests that wait for an engine.

    Args:
        place: Endpoint or component.
        planned_concurrency: Requests in flight per copy by the plan; no line by default.
    """
    return Figure(
        key="queue_length",
        title="Requests that wait",
        unit="requests",
        advice="Growing: copies are too few or cannot start; look at copies and at refused launches.",
        query=gauge("queued_requests", place),
        classic=math(
            "concurrent",
            {"concurrent": classic_metric("ConcurrentRequestsPerCopy", place, period_seconds=60)},
            period_seconds=60,
            label="Requests running or waiting on the busiest copy",
        ),
        bands=line("planned requests in flight per copy", planned_concurrency),
        note="The line is for requests running or waiting on one copy.",
    )


def queue_age(place: Place, *, share: float | None = 0.95, window: str = "5m") -> Figure:
    """Return how long requests waited before an engine took them.

    Args:
        place: Endpoint or component.
        share: Quantile, such as 0.95; None for the mean.
        window: Range that is looked at.
    """
    which = "mean" if share is None else f"p{share * 100:g}"
    query = (
        mean("queue_time", place, window=window)
        if share is None
        else quantile(share, "queue_time", place, window=window)
    )
    return Figure(
        key="queue_age",
        title=f"Time in the queue ({which})",
        unit="seconds",
        advice="Longer than the TTFT objective leaves: scale out earlier (scaling.target) or allow more copies.",
        query=query,
        note="Requests that still wait are counted when they leave the queue.",
    )


def retracted_requests(place: Place, *, window: str = "5m") -> Figure:
    """Return the requests per second that engines put back because their KV cache was full."""
    return Figure(
        key="retracted_requests",
        title="Requests retracted",
        unit="requests/s",
        advice="Above zero for long: the KV cache is too small for the load; add copies, or admit fewer requests (max_running_requests).",
        query=rate_or_zero("retracted_requests", place, window=window),
    )


def cache_hit_rate(place: Place, *, window: str = "15m") -> Figure:
    """Return the share of prompt tokens that the prefix cache had."""
    cached = increase("cached_tokens", place, window=window)
    prompt = increase("prompt_tokens", place, window=window)
    return Figure(
        key="cache_hit_rate",
        title="Prefix-cache hit rate",
        unit="ratio",
        advice="Lower than before: prompts stopped sharing a beginning, or sessions reach other copies than before; see routing.",
        query=either([f"({cached}) / ({prompt})", gauge("cache_hit_rate", place, aggregate="avg")]),
        note="CloudWatch's collector may not forward the engine's cache metrics; the figure is then empty.",
    )


def accept_length(place: Place, *, promoted: float | None = None) -> Figure:
    """Return the tokens per verification step of speculative decoding.

    Args:
        place: Component.
        promoted: Accept length with which the draft model was promoted; no line by default.
    """
    return Figure(
        key="accept_length",
        title="Accept length",
        unit="tokens",
        advice="Below the line: traffic has drifted from what the draft model learned; train it again, or turn speculation off near 1.",
        query=gauge("accept_length", place, aggregate="avg"),
        bands=line("as promoted", promoted),
    )


def accept_rate(place: Place) -> Figure:
    """Return the share of draft tokens that were accepted."""
    return Figure(
        key="accept_rate",
        title="Draft tokens accepted",
        unit="ratio",
        advice="Low with a good accept length: fewer draft tokens (speculative_num_draft_tokens) give the same speed for less work.",
        query=gauge("accept_rate", place, aggregate="avg"),
    )


def adapters_loaded(place: Place, *, places_per_copy: int | None = None) -> Figure:
    """Return the adapters in GPU memory on the fullest copy, with the places there are.

    Args:
        place: Component.
        places_per_copy: Places for adapters of a copy; no line by default.
    """
    return Figure(
        key="adapters_loaded",
        title="Adapters loaded on the fullest copy",
        unit="adapters",
        advice="At the line with slow first tokens: adapters push one another out; raise max_loras_per_batch or split adapters over components.",
        query=gauge("adapter_slots_used", place, aggregate="max"),
        bands=line("places of a copy", None if places_per_copy is None else float(places_per_copy)),
    )


def adapter_places_used(place: Place) -> Figure:
    """Return the share of places for adapters in use, over all copies."""
    used, total = gauge("adapter_slots_used", place), gauge("adapter_slots_total", place)
    return Figure(
        key="adapter_places_used",
        title="Share of places for adapters in use",
        unit="ratio",
        advice="At 1: see adapters loaded.",
        query=f"({used}) / ({total})",
        bands=line("full", 1),
    )
