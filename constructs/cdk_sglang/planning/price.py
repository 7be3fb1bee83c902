"""US dollars per GPU-hour, per copy-hour and per million tokens, computed from instance prices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cdk_sglang.hardware import GpuInstance, price_usd_per_hour

if TYPE_CHECKING:
    from cdk_sglang.hardware import Price, PriceTable

REGION = "us-east-1"
"""Default Region of prices."""


def cheapest_gpu_hour(
    gpu_name: str, gpus: int, region: str = REGION, *, prices: PriceTable | None = None
) -> tuple[float, GpuInstance, Price] | None:
    """Return US dollars per GPU-hour on the cheapest instance type with this number of GPUs of this kind; None if none has a price.

    Args:
        gpu_name: Name of the GPU.
        gpus: Number of them that one instance must have.
        region: AWS Region of the prices.
        prices: The user's prices, which take precedence over the package's.
    """
    if prices is None:
        return _cheapest_as_packaged(gpu_name, gpus, region)
    return _cheapest(gpu_name, gpus, region, prices)


@cache
def _cheapest_as_packaged(gpu_name: str, gpus: int, region: str) -> tuple[float, GpuInstance, Price] | None:
    return _cheapest(gpu_name, gpus, region, None)


def _cheapest(
    gpu_name: str, gpus: int, region: str, prices: PriceTable | None
) -> tuple[float, GpuInstance, Price] | None:
    offers = []
    for instance in GpuInstance.all():
        if instance.gpu.name != gpu_name or instance.gpu_count < gpus:
            continue
        price = price_usd_per_hour(instance, region, table=prices)
        if price is not None:
            offers.append((price.usd_per_hour / instance.gpu_count, instance, price))
    return min(offers, key=lambda offer: offer[0]) if offers else None


@dataclass(frozen=True, kw_only=True)
class TokenPrices:
    """US dollars per million input tokens and per million output tokens."""

    input: float
    output: float


PER_MILLION_MEANS = (
    "$/1M tokens: of a copy that has its requests in flight at all hours, on the instance type named; its GPUs' share of the instance's price "
    "is divided between input and output by the time that prompts and decoding steps take"
)
"""Explanation of `token_prices`, shown below tables."""


def copy_usd_per_hour(price: Price, instance: GpuInstance, gpus: int) -> float:
    """Return the cost of a copy per hour: its GPUs' share of the instance's price."""
    return price.usd_per_hour * gpus / instance.gpu_count


def token_prices(
    *, usd_per_hour: float, output_tok_s: float, input_tokens: float, output_tokens: float, prompt_share: float
) -> TokenPrices:
    """Return US dollars per million tokens for a copy that always has its requests in flight.

    This is the only definition in the package: `usd_per_hour` is divided in proportion to the time that the work takes, so that an
    hour's input tokens times their price plus its output tokens times theirs equal the cost of the copy. Price and rate must both be
    those of the copy, or both those of one of its GPUs.

    Args:
        usd_per_hour: Price of the copy.
        output_tok_s: Output tokens per second of the copy.
        input_tokens: Mean tokens of a prompt.
        output_tokens: Mean tokens of an answer.
        prompt_share: Share of the time that prompts take; decode steps take the rest.
    """
    return TokenPrices(
        input=usd_per_million_tokens(usd_per_hour * prompt_share, output_tok_s * input_tokens / output_tokens),
        output=usd_per_million_tokens(usd_per_hour * (1 - prompt_share), output_tok_s),
    )


def usd_per_million_tokens(usd_per_hour: float, tokens_per_second: float) -> float:
    """Return the price of a million tokens at this hourly price and rate."""
    return usd_per_hour / (tokens_per_second * 3600) * 1e6
