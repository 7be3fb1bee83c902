"""Quantiles of classic histograms, whose buckets are series with the label `le`."""

from __future__ import annotations

import bisect
import math

from localcloud.aws.metrics.promql.values import Key, Sample, Vector, dropped, key

_BUCKET = "le"


def histogram_quantile(share: float, vector: Vector) -> Vector:
    """Quantile of each histogram among the samples; series without a valid `le` are left out."""
    groups: dict[Key, tuple[dict[str, str], dict[float, float]]] = {}
    for sample in vector:
        try:
            bound = float(sample.labels.get(_BUCKET, ""))
        except ValueError:
            continue
        labels = dropped(sample.labels, [_BUCKET])
        _, buckets = groups.setdefault(key(labels), (labels, {}))
        buckets[bound] = buckets.get(bound, 0.0) + sample.value
    return [Sample(labels, _quantile(share, sorted(buckets.items()))) for labels, buckets in groups.values()]


def _quantile(share: float, buckets: list[tuple[float, float]]) -> float:
    if math.isnan(share) or not math.isinf(buckets[-1][0]):
        return math.nan
    if share < 0 or share > 1:
        return math.copysign(math.inf, share - 0.5)
    if len(buckets) == 1:
        return math.nan
    bounds = [bound for bound, _ in buckets]
    counts: list[float] = []
    for _, count in buckets:  # counts of buckets that were scraped at different times may fall
        counts.append(max(counts[-1], count) if counts else count)
    if counts[-1] == 0 or math.isnan(counts[-1]):
        return math.nan
    return _interpolated(share * counts[-1], bounds, counts)


def _interpolated(rank: float, bounds: list[float], counts: list[float]) -> float:
    """Value of the observation with a rank, as if those of a bucket were spread evenly over it."""
    index = bisect.bisect_left(counts, rank, hi=len(counts) - 1)
    if index == len(counts) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    start, before = (bounds[index - 1], counts[index - 1]) if index else (0.0, 0.0)
    inside = counts[index] - before
    return start + (bounds[index] - start) * ((rank - before) / inside if inside else math.nan)
