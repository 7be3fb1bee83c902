"""Values of an endpoint that decide how its components run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.planning.price import REGION
from cdk_sglang.tokens import is_text_token

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance, PriceTable
    from cdk_sglang.planning.measured_calibration import MeasuredCalibration
    from cdk_sglang.spec.capacity import Capacity
    from cdk_sglang.spec.endpoint_rollout import EndpointRollout
    from cdk_sglang.spec.image_facts import ImageFacts
    from cdk_sglang.spec.schedules import NightlyStop


@dataclass(frozen=True, kw_only=True)
class Hosting:
    """Values of an endpoint that its components depend on.

    Attributes:
        capacity: Instance types and their limits.
        image: Facts of the serving image.
        region: AWS Region; may be a token.
        nightly_stop: Hours without copies; None if there are none.
        rollout: Strategy for updates of the configuration; None for SageMaker's default.
        prices: Prices that take precedence over the package's; None for the package's alone.
        network_isolation: Whether containers have no network access.
        calibration: The user's own measurements, which correct predictions for similar configurations; None for the package's calibration alone.
    """

    capacity: Capacity
    image: ImageFacts
    region: str
    nightly_stop: NightlyStop | None = None
    rollout: EndpointRollout | None = None
    prices: PriceTable | None = None
    network_isolation: bool = True
    calibration: MeasuredCalibration | None = None

    @property
    def instances(self) -> tuple[GpuInstance, ...]:
        """Instance types, most preferred first."""
        return self.capacity.instances

    @property
    def price_region(self) -> str:
        """Region whose prices rank the advice; us-east-1 if the Region is known only at deployment."""
        return REGION if is_text_token(self.region) else self.region
