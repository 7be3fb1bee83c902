"""Where a component's copies go, and when an endpoint counts as forgotten."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cdk_sglang import (
    IdleAlarm,
    Placement,
)
from cdk_sglang.serving.component.placement import MAX_ZONE_IMBALANCE
from stacks.settings_base import Settings


class PlacementSettings(Settings):
    """How copies are placed on instances."""

    strategy: Literal["spread", "binpack"] = "spread"
    """`spread`: on different instances; `binpack`: fill instances, so that others get empty and go."""
    max_zone_imbalance: int = Field(default=0, ge=0, le=MAX_ZONE_IMBALANCE)
    """Copies by which one Availability Zone may exceed another."""
    cache: bool = True
    """Keep image and weights on the instance's disk for the next copy."""

    def typed(self) -> Placement:
        """Return it as the library takes it."""
        return Placement(strategy=self.strategy, max_zone_imbalance=self.max_zone_imbalance, cache=self.cache)


class IdleAlarmSettings(Settings):
    """When an endpoint counts as forgotten."""

    gpu_below_percent: float = Field(default=1, gt=0, le=100, strict=False)
    """Its GPUs together were never busier than this."""
    for_hours: int = Field(default=3, ge=1, le=24)
    """For so many hours on end."""

    def typed(self) -> IdleAlarm:
        """Return it as the library takes it."""
        return IdleAlarm(gpu_below_percent=self.gpu_below_percent, for_hours=self.for_hours)
