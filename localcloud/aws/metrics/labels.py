"""Labels with which CloudWatch marks SageMaker's metrics for PromQL.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-detailed-observability-promql.html (read 2026-11)
"""

from __future__ import annotations

from typing import Final

from localcloud.aws.hosting.store import Store

ENDPOINT: Final = "aws.sagemaker.endpoint.name"
VARIANT: Final = "aws.sagemaker.variant.name"
COMPONENT: Final = "aws.sagemaker.inference_component.name"
CONTAINER: Final = "aws.sagemaker.container.id"
INSTANCE: Final = "@resource.host.id"
INSTANCE_TYPE: Final = "@resource.host.type"
DIRECTION: Final = "aws.sagemaker.scaling.direction"
OPERATION: Final = "aws.sagemaker.operation.type"
GPU: Final = "gpu"
STAND_IN: Final = "stand_in"
"""Label that only the embedded AWS has: "true" marks values that were not measured."""


def of_variant(state: Store, endpoint: str, variant: str) -> dict[str, str]:
    """Labels of everything behind a variant."""
    return {"@aws.account": state.account, "@aws.region": state.region, ENDPOINT: endpoint, VARIANT: variant}


def of_instance(instance_id: str, instance_type: str) -> dict[str, str]:
    """Labels of an instance."""
    return {INSTANCE: instance_id, INSTANCE_TYPE: instance_type}
