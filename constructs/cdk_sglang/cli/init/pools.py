"""Instance types that replace the one of a proposal when it has no capacity."""

from __future__ import annotations

from typing import Final

from cdk_sglang.hardware import GpuInstance, price_usd_per_hour
from cdk_sglang.planning.proposals import Proposal
from cdk_sglang.planning.wish import Wish

POOL_TYPES: Final = 3
"""Instance types of a pool that is proposed, the first one included."""
_TRIED: Final = 6
_DEARER: Final = 2.0
"""An instance type that costs more than this many times the first is not used: most of its GPUs would be idle."""


def stand_ins(wish: Wish, proposal: Proposal) -> tuple[str, ...]:
    """Return the instance types that carry the load of a proposal on as many instances, the cheapest first: those with its GPU, and no fewer.

    Args:
        wish: What is wished.
        proposal: The proposal.
    """
    first = GpuInstance.named(proposal.instance)
    found: list[tuple[float, str]] = []
    for instance in GpuInstance.all():
        if instance.name == first.name or instance.gpu != first.gpu or instance.gpu_count < first.gpu_count:
            continue
        price = price_usd_per_hour(instance, wish.region, table=wish.prices)
        if price is not None and price.usd_per_hour <= _DEARER * proposal.price.usd_per_hour:
            found.append((price.usd_per_hour, instance.name))
    return tuple(name for _, name in sorted(found)[:_TRIED])
