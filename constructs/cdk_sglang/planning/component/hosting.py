"""What of an endpoint decides how its components run."""

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
    """An endpoint, as far as its components depend on it.

    Attributes:
        capacity: Instance types and their bounds.
        image: What the serving container was built for.
        region: AWS Region; may be a token.
        nightly_stop: Hours without copies; None for no such hours.
        rollout: How a new configuration reaches the instances; None for SageMaker's own way.
        prices: Prices that win over the package's; None for the package's alone.
        network_isolation: Whether containers have no network.
        calibration: Measurements of the user's own, which predictions near them follow; None for the package's alone.
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
        """Instance types, the most wanted first."""
        return self.capacity.instances

    @property
    def price_region(self) -> str:
        """Region whose prices order advice; us-east-1 if the Region is known only at deployment."""
        return REGION if is_text_token(self.region) else self.region
