"""Percentiles in GetMetricData and GetMetricStatistics, which moto answers with nothing.

CloudWatch interpolates (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html, read 2026-11); here a
percentile is the nearest value that was published, as alarms take it.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from moto.cloudwatch import models

_PERCENTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")


def _get_statistics_for_type(self: Any, stat: str) -> Any:
    percentile = _PERCENTILE.fullmatch(stat)
    if percentile is None:
        return _moto_get_statistics_for_type(self, stat)
    values = sorted(self.metric_single_values_list)
    if not values:
        return None
    return values[min(len(values) - 1, math.floor(float(percentile[1]) / 100 * len(values)))]


_moto_get_statistics_for_type = models.Statistics.get_statistics_for_type


def install() -> None:
    """Let moto's statistics know percentiles."""
    models.Statistics.get_statistics_for_type = _get_statistics_for_type
