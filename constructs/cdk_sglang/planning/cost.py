"""What is uncertain about the price of an instance type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.hardware import MAX_AGE_DAYS

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance, Price
    from cdk_sglang.planning.fleet import FleetRequest


def price_warnings(
    *,
    request: FleetRequest,
    where: str,
    instance: GpuInstance,
    price: Price | None,
    reserved: bool,
    warnings: list[str],
) -> None:
    """Add what is uncertain about an endpoint's price to `warnings`."""
    if price is None:
        warnings.append(
            f"{where}: no price of {instance.name} is known; give one with: cdk-sglang prices update --region {request.region}"
        )
        return
    if price.is_estimate:
        warnings.append(
            f"{where}: the price of {instance.name} in {request.region} is an estimate ({price.kind}, {price.region}, {price.date})"
        )
    if request.today is not None and price.age_days(request.today) > MAX_AGE_DAYS:
        warnings.append(
            f"{where}: the price of {instance.name} is {price.age_days(request.today)} days old ({price.date}); refresh it with: "
            f"cdk-sglang prices update --region {request.region}"
        )
    if reserved:
        warnings.append(
            f"{where}: reserved capacity is paid up front at its offering's price; on-demand prices are shown"
        )
