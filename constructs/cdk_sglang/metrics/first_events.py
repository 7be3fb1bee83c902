"""PromQL that counts events, the first of a series included.

A counter appears with its first event, as 1. Prometheus' `increase` needs two samples and finds no growth from 1 to 1, so that a first refusal
of capacity, or the first after an engine began anew, would never be seen. What is compared here is the last sample within the window with the
last one before it: a series without an earlier sample began at 0, and so did one whose value is lower than before. Of a counter that was
published before CloudWatch first read it, everything counted so far is therefore new once.
"""

from __future__ import annotations

from typing import Final

from cdk_sglang.metrics.ranges import seconds

_READABLE_SECONDS: Final = 86400
"""How far back a query may read: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-PromQL.html (read 2026-11)."""
_REMEMBERED_SECONDS: Final = 12 * 3600
"""Longest gap between two samples of a series, such as that of a fleet asleep at night, after which its value is not taken for new events."""


def counted_events(selector: str, window: str, *, part: str = "", resets: bool = False) -> str:
    """Return a query for the events that each series of a selector counted within a window.

    Args:
        selector: Series of a counter, or native histograms.
        window: Range, such as 15m; of a day or more it is the plain increase.
        part: Function of PromQL that reads a number from a native histogram, such as histogram_count; none of a counter.
        resets: Whether a series that began anew and has passed its earlier value since is noticed: `increase` sees that, and the larger of the
            two counts is taken. The query is twice as long, and its numbers are extrapolated.
    """

    def number(samples: str) -> str:
        return f"{part}({samples})" if part else samples

    growth = number(f"increase({selector}[{window}])")
    remembered = min(_REMEMBERED_SECONDS, _READABLE_SECONDS - seconds(window))
    if remembered <= 0:
        return growth
    last = number(f"last_over_time({selector}[{window}])")
    before = number(f"last_over_time({selector}[{remembered // 60}m] offset {window})")
    since = f"{last} - {before} >= 0 or {last}"
    return f"{growth} > ({since}) or {since}" if resets else since
