"""An observed environment, for commands that read its state from AWS. No CDK."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdk_sglang.observability.observed import ObservedEndpoint

if TYPE_CHECKING:
    from cdk_sglang.hardware import PriceTable


@dataclass(frozen=True, kw_only=True)
class ObservedFleet:
    """An environment that is observed.

    Attributes:
        environment: Name of the environment.
        region: AWS Region; None for that of the user's AWS settings.
        endpoints: Its endpoints.
        stack_names: Names of the CloudFormation stacks in which the environment's alarms may be.
        enrichment: Whether the settings rely on OTel enrichment, with which CloudWatch answers PromQL.
        prices: Prices that take precedence over the package's; None for the package's alone.
    """

    environment: str
    region: str | None
    endpoints: tuple[ObservedEndpoint, ...]
    stack_names: tuple[str, ...] = ()
    enrichment: bool = False
    prices: PriceTable | None = None
