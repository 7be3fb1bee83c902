"""Numbers of the plan, of prices and of promises, as figures take them. No CDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdk_sglang.hardware import price_usd_per_hour
from cdk_sglang.metrics.figures import PricedType
from cdk_sglang.observability.observed import ObservedComponent, ObservedEndpoint

if TYPE_CHECKING:
    from cdk_sglang.planning.predict import Band

_MILLISECONDS: Final = 1000
_PERCENT: Final = 100
_SGLANG_LORAS_PER_BATCH: Final = 8
"""SGLang's max_loras_per_batch if unspecified (0.5.23, server_args.py)."""


def priced_types(endpoint: ObservedEndpoint, component: ObservedComponent | None = None) -> tuple[PricedType, ...]:
    """Return the instance types of an endpoint with their dated prices; none if one has no price.

    Args:
        endpoint: The endpoint.
        component: Component whose copies' GPUs are counted; the endpoint alone by default.
    """
    hosting = endpoint.resolved.hosting
    sizes = {} if component is None else component.resolved.gpus_by_type
    types = []
    for instance in hosting.instances:
        price = price_usd_per_hour(instance, hosting.price_region, table=hosting.prices)
        if price is None:
            return ()
        types.append(
            PricedType(
                instance=instance.name,
                usd_per_hour=price.usd_per_hour,
                gpus=instance.gpu_count,
                gpus_per_copy=sizes.get(instance.name, 0),
            )
        )
    return tuple(types)


def low_high(band: Band | None, *, per: float = 1) -> tuple[float, float] | None:
    """Return both ends of a prediction; None if there is none.

    Args:
        band: The prediction.
        per: Divisor, such as 1000 to make seconds of milliseconds.
    """
    return None if band is None else (band.low / per, band.high / per)


def low_high_seconds(band: Band | None) -> tuple[float, float] | None:
    """Return both ends of a prediction in milliseconds, as seconds; None if there is none."""
    return low_high(band, per=_MILLISECONDS)


def objective_seconds(milliseconds: float | None) -> float | None:
    """Return an objective in milliseconds, as seconds; None if there is none."""
    return None if milliseconds is None else milliseconds / _MILLISECONDS


def availability_objective(component: ObservedComponent) -> float | None:
    """Return the share of requests that a component promises to answer, 0 to 1; None without a promise."""
    slo = component.specification.slo
    percent = None if slo is None else slo.availability_percent
    return None if percent is None else percent / _PERCENT


def adapter_places(component: ObservedComponent) -> int | None:
    """Return the places for adapters in a copy's GPU memory; None if the component takes none."""
    lora = component.resolved.server.lora
    return None if lora is None else lora.max_loras_per_batch or _SGLANG_LORAS_PER_BATCH


def promised_window(component: ObservedComponent) -> str:
    """Return the period over which a component's promises are counted, as PromQL writes it."""
    slo = component.specification.slo
    return f"{30 if slo is None else slo.window_days}d"


def accept_length_objective(component: ObservedComponent) -> float | None:
    """Return the accept length that a component promises; None without a promise."""
    slo = component.specification.slo
    return None if slo is None else slo.accept_length


def planned_usd_per_million(component: ObservedComponent) -> float | None:
    """Return what the plan says a million output tokens cost with the prompts before them; None if it does not.

    The plan divides a copy's cost between prompts and answers; here answers bear all of it, as the measured figure has it.
    """
    plan, load = component.plan, component.specification.load
    if plan is None or plan.usd_per_million_input_tokens is None or plan.usd_per_million_output_tokens is None:
        return None
    prompts = plan.usd_per_million_input_tokens * load.input_tokens / load.output_tokens
    return plan.usd_per_million_output_tokens + prompts
