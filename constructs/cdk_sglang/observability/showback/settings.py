"""Settings of the showback function: endpoints, planned tokens, GPUs and dated prices, as JSON. No CDK."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cdk_sglang.hardware import GpuInstance, price_usd_per_hour
from cdk_sglang.metrics.cloudwatch import INVOCATIONS, SCALING, cloudwatch_metrics
from cdk_sglang.metrics.promql import increase
from cdk_sglang.metrics.series import COMPONENT

if TYPE_CHECKING:
    from cdk_sglang.hardware import PriceTable
    from cdk_sglang.observability.observed import ObservedComponent, ObservedEndpoint

REQUESTS: Final = (INVOCATIONS, "Invocations")
_DIMENSION: Final = "InferenceComponentName"


def function_settings(
    endpoints: Sequence[ObservedEndpoint],
    *,
    namespace: str,
    region: str,
    sample_minutes: int,
    measures_tokens: bool,
    prices: PriceTable | None = None,
) -> str:
    """Return the settings of the function, the same bytes for the same input.

    Args:
        endpoints: The endpoints.
        namespace: CloudWatch namespace of the function's metrics.
        region: Region of the prices.
        sample_minutes: Minutes between two samples.
        measures_tokens: Whether CloudWatch answers PromQL over SGLang's metrics, so that tokens need not be estimated.
        prices: Prices that take precedence over the package's; the package's alone by default.
    """
    instances = _instances(endpoints)
    requests = cloudwatch_metrics()[REQUESTS]
    assert frozenset({_DIMENSION}) in requests.dimensions
    content: dict[str, Any] = {
        "namespace": namespace,
        "scaling_namespace": SCALING,
        "sample_minutes": sample_minutes,
        "endpoints": [_endpoint(endpoint) for endpoint in endpoints],
        "gpus": {name: instance.gpu_count for name, instance in instances.items()},
        "prices": dict(_prices(instances.values(), region, prices)),
        "requests": {
            "namespace": requests.namespace,
            "name": requests.name,
            "statistic": requests.statistic,
            "dimension": _DIMENSION,
        },
        "tokens": _token_queries() if measures_tokens else None,
    }
    return json.dumps(content, sort_keys=True, indent=1) + "\n"


def planned_usd_per_hour(endpoints: Iterable[ObservedEndpoint]) -> dict[str, list[float]]:
    """Return the minimum, typical and maximum US dollars per hour of every endpoint whose plan states them, by its short name."""
    return {
        endpoint.name: [round(cost.low, 4), round(cost.typical, 4), round(cost.high, 4)]
        for endpoint in endpoints
        if endpoint.plan is not None and (cost := endpoint.plan.usd_per_hour) is not None
    }


def _instances(endpoints: Iterable[ObservedEndpoint]) -> Mapping[str, GpuInstance]:
    """Return every known type, since an endpoint may change its own, and the author's own ones."""
    own = (instance for endpoint in endpoints for instance in endpoint.resolved.hosting.instances)
    return {instance.name: instance for instance in (*GpuInstance.all(), *own)}


def _prices(
    instances: Iterable[GpuInstance], region: str, table: PriceTable | None
) -> Iterator[tuple[str, dict[str, str]]]:
    for instance in instances:
        price = price_usd_per_hour(instance, region, table=table)
        if price is None:
            continue
        estimate = f"estimate ({price.kind}, {price.region}): " if price.is_estimate else ""
        yield (
            instance.name,
            {
                "usd_per_hour": repr(price.usd_per_hour),
                "date": price.date.isoformat(),
                "source": f"{estimate}{price.source}",
            },
        )


def _endpoint(endpoint: ObservedEndpoint) -> dict[str, Any]:
    capacity = endpoint.resolved.hosting.capacity
    return {
        "endpoint": endpoint.name,
        "name": endpoint.endpoint_name,
        "types": [instance.name for instance in capacity.instances],
        "plan": "" if capacity.reservation is None else capacity.reservation.training_plan,
        "members": [member for component in endpoint.components for member in _members(component)],
    }


def _members(component: ObservedComponent) -> Iterator[dict[str, Any]]:
    specification = component.specification
    load = {"input_tokens": specification.load.input_tokens, "output_tokens": specification.load.output_tokens}
    team = specification.team or ""
    yield {"name": component.component_name, "component": component.name, "team": team, **load}
    for name, adapter in specification.adapters.items():
        yield {
            "name": f"{component.component_name}-{name}",
            "component": component.name,
            "adapter": name,
            "base": component.component_name,
            "team": adapter.team or team,
            **load,
        }


def _token_queries() -> dict[str, str]:
    """Return the queries of the tokens of a day; the function replaces the window by that of the day's length."""
    return {
        "in": increase("prompt_tokens", window="1d", labels=(COMPONENT,)),
        "out": increase("generation_tokens", window="1d", labels=(COMPONENT,)),
        "label": COMPONENT,
    }
