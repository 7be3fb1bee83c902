"""Each GPU of each instance with its use, which CloudWatch knows where OTel enrichment is on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdk_sglang.cli.status.prometheus import NotMeasuredError
from cdk_sglang.metrics.promql import Place, gauge
from cdk_sglang.metrics.series import COMPONENT, GPU, INSTANCE, INSTANCE_TYPE

if TYPE_CHECKING:
    from cdk_sglang.cli.status.prometheus import PromqlApi


def read_gpus(api: PromqlApi, endpoint_name: str) -> list[dict[str, Any]]:
    """Return the instances of an endpoint with the use of their GPUs.

    Args:
        api: CloudWatch's PromQL API.
        endpoint_name: Name of the endpoint in SageMaker.

    Returns:
        For each instance its ``id``, ``type`` and ``gpus``: their index, the percentage of time in use, and the component whose copy
        has the GPU, empty where the metric does not say it. Nothing where CloudWatch has no metrics, for which the plan gives the reason.
    """
    labels = (INSTANCE, INSTANCE_TYPE, GPU, COMPONENT)
    try:
        found = api.series(gauge("gpu_utilization", Place(endpoint=endpoint_name), aggregate="avg", labels=labels))
    except NotMeasuredError:
        return []
    hosts: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for of, percent in sorted(found, key=lambda one: one[0].get(COMPONENT, "")):
        gpu = of.get(GPU, "")
        host = hosts.setdefault((of.get(INSTANCE, ""), of.get(INSTANCE_TYPE, "")), {})
        host[gpu] = {"gpu": gpu, "percent": percent, "component": of.get(COMPONENT, "")}
    return [
        {"id": name, "type": instance_type, "gpus": [gpus[gpu] for gpu in sorted(gpus, key=_number)]}
        for (name, instance_type), gpus in sorted(hosts.items())
    ]


def _number(text: str) -> tuple[int, str]:
    """Key by which GPU 10 comes after GPU 9."""
    return (int(text), "") if text.isdecimal() else (0, text)
