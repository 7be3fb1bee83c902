"""What tokens cost on an instance type, and what is uncertain about its price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.hardware import MAX_AGE_DAYS
from cdk_sglang.planning.calibration import calibration
from cdk_sglang.planning.features import Load, columns, features
from cdk_sglang.planning.price import usd_per_million_tokens
from cdk_sglang.planning.timing import step_parts_ms

if TYPE_CHECKING:
    from cdk_sglang.hardware import GpuInstance, Price
    from cdk_sglang.planning.fleet import ComponentRequest, FleetRequest
    from cdk_sglang.planning.parallel import Parallelism


def token_prices(
    *,
    component: ComponentRequest,
    instance: GpuInstance,
    split: Parallelism,
    tokens_s: float | None,
    price: Price | None,
    concurrency: float,
) -> tuple[float | None, float | None]:
    """Return dollars per million input and output tokens: the hour's price split by the time prompts and answers take."""
    if price is None or tokens_s is None:
        return None, None
    usd = price.usd_per_hour * split.gpus / instance.gpu_count
    load = Load(input_tokens=component.input_tokens, output_tokens=component.output_tokens, running=concurrency)
    row = features(
        component.facts.architecture, instance.gpu, split, load, engine="sglang", kv_dtype=component.kv_dtype or "bf16"
    )
    step, mixed = step_parts_ms(calibration().coefficients, columns([row]))
    prompt_share = float(mixed[0] / (mixed[0] + step[0]))
    input_s = tokens_s * component.input_tokens / component.output_tokens
    return usd_per_million_tokens(usd * prompt_share, input_s), usd_per_million_tokens(
        usd * (1 - prompt_share), tokens_s
    )


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
