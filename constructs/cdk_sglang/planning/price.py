"""Dollars per GPU-hour and per million tokens from instance prices."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cdk_sglang.hardware import GpuInstance, price_usd_per_hour

if TYPE_CHECKING:
    from cdk_sglang.hardware import Price

REGION = "us-east-1"
"""Region of prices when none is given."""


@cache
def cheapest_gpu_hour(gpu_name: str, gpus: int, region: str = REGION) -> tuple[float, GpuInstance, Price] | None:
    """Return US dollars per GPU-hour on the cheapest instance that holds so many of these GPUs; None when none is priced."""
    offers = []
    for instance in GpuInstance.all():
        if instance.gpu.name != gpu_name or instance.gpu_count < gpus:
            continue
        price = price_usd_per_hour(instance, region)
        if price is not None:
            offers.append((price.usd_per_hour / instance.gpu_count, instance, price))
    return min(offers, key=lambda offer: offer[0]) if offers else None


def usd_per_million_tokens(usd_per_hour: float, tokens_per_second: float) -> float:
    """Return the price of a million tokens at a rate."""
    return usd_per_hour / (tokens_per_second * 3600) * 1e6
