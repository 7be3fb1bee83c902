"""Utilisation metrics: what of the GPUs is reserved and how busy they were, on a driven clock."""

from typing import Any

import pytest
from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.hosting.store import stores
from tests.localcloud.helpers import any_component, any_endpoint, variant

ENDPOINTS, COMPONENTS = "/aws/sagemaker/Endpoints", "/aws/sagemaker/InferenceComponents"


@pytest.fixture
def fleet(sagemaker: Any, driven: Any) -> Any:
    any_endpoint(sagemaker)
    driven.advance(5)
    any_component(sagemaker)
    driven.advance(5)
    return sagemaker


def values(namespace: str, name: str) -> list[float]:
    data = cloudwatch_backends["123456789012"]["us-east-1"].metric_data
    return [d.value for d in data if (d.namespace, d.name) == (namespace, name)]


def test_reservation_is_the_share_of_gpus_that_copies_have(fleet: Any, driven: Any) -> None:
    driven.advance(65)
    assert values(ENDPOINTS, "GPUReservation")[-1] == 50  # two of four
    fleet.update_inference_component_runtime_config(
        InferenceComponentName="llama", DesiredRuntimeConfig={"CopyCount": 2}
    )
    driven.advance(65)
    assert values(ENDPOINTS, "GPUReservation")[-1] == 100


def test_gpus_that_nobody_used_in_a_minute_are_at_zero(fleet: Any, driven: Any) -> None:
    driven.advance(125)
    assert set(values(COMPONENTS, "GPUUtilizationNormalized")) == {0}
    (copy,) = next(state.components["llama"] for state in stores()).copies
    copy.peak = 4
    driven.advance(60)
    assert values(COMPONENTS, "GPUUtilizationNormalized")[-1] == 40
    assert values(ENDPOINTS, "GPUUtilizationNormalized")[-1] == 20
    driven.advance(60)
    assert values(COMPONENTS, "GPUUtilizationNormalized")[-1] == 0


def test_endpoint_without_instances_publishes_nothing(sagemaker: Any, driven: Any) -> None:
    any_endpoint(sagemaker)
    driven.advance(5 + 60 + 65)  # created, its empty instance released
    before = len(values(ENDPOINTS, "GPUReservation"))
    driven.advance(300)
    assert len(values(ENDPOINTS, "GPUReservation")) == before


def test_dimensions_are_those_of_sagemaker(fleet: Any, driven: Any) -> None:
    driven.advance(65)
    data = cloudwatch_backends["123456789012"]["us-east-1"].metric_data
    shapes = {(d.namespace, d.unit, tuple(x.name for x in d.dimensions)) for d in data}
    assert (ENDPOINTS, "Percent", ("EndpointName", "VariantName")) in shapes
    assert (COMPONENTS, "Percent", ("InferenceComponentName",)) in shapes
    assert variant()["VariantName"] in {x.value for d in data if d.namespace == ENDPOINTS for x in d.dimensions}
