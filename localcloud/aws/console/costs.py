"""Dollars per hour that the instances would cost on AWS."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware.instances import GpuInstance
from cdk_sglang.hardware.prices import Price, price_usd_per_hour


def usd_per_hour(types: Iterable[str], region: str) -> dict[str, Any]:
    """On-demand price of instances, without tax or discount.

    Args:
        types: Type of each instance.
        region: Region of the endpoint.

    Returns:
        ``usd``, the sum of the known prices; ``unknown``, the types without one; ``note``, the source of the prices.
    """
    prices = [(name, _price(name, region)) for name in types]
    known = [price for _, price in prices if price is not None]
    dates = sorted({price.date.isoformat() for price in known})
    estimated = ", an estimate" if any(price.is_estimate for price in known) else ""
    return {
        "usd": round(sum(price.usd_per_hour for price in known), 4),
        "unknown": sorted({name for name, price in prices if price is None}),
        "note": f"on demand in {region}, price of {dates[0]}{estimated}" if dates else "",
    }


def _price(name: str, region: str) -> Price | None:
    try:
        return price_usd_per_hour(GpuInstance.of(name), region)
    except ConfigurationError:  # a type that is not in the price list
        return None
