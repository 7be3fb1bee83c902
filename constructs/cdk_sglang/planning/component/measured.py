"""Checks that a component can be measured: SGLang publishes no metrics with `enable_metrics: false`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdk_sglang.errors import Problem

if TYPE_CHECKING:
    from cdk_sglang.spec.component import Component

UNMEASURED: Final = (
    "server.enable_metrics is false: SGLang publishes no tokens, queue, KV cache or latencies, so dashboards and alarms of this component "
    "have SageMaker's requests and GPUs alone; leave it out, which turns the metrics on"
)


def measured_problems(path: str, component: Component) -> list[Problem]:
    """Return a problem if a component has latency objectives but no SGLang metrics to check them with.

    Args:
        path: Path of the component, with which the paths of problems begin.
        component: The component.
    """
    slo = component.slo
    if component.server.enable_metrics or slo is None or (slo.ttft_ms is None and slo.tpot_ms is None):
        return []
    text = "false, while slo promises latencies that only SGLang's metrics show; use true, or leave slo out"
    return [Problem(f"{path}.server.enable_metrics", text)]
