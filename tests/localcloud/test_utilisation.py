"""Utilisation metrics: what of the GPUs is reserved and how busy they were, on a driven clock."""

import csv
from pathlib import Path
from typing import Any

import pytest
from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.hosting.store import stores
from tests.localcloud.helpers import ROLE, any_component, any_endpoint, variant

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


def points() -> list[Any]:
    return list(cloudwatch_backends["123456789012"]["us-east-1"].metric_data)


def published(root: Path) -> dict[tuple[str, str], tuple[set[frozenset[str]], set[frozenset[str]], str]]:
    """SageMaker's metrics of the library's sourced table: their sets of dimensions, those of enhanced metrics, and their unit."""
    with (root / "constructs" / "cdk_sglang" / "metrics" / "data" / "cloudwatch.csv").open() as file:
        return {
            (row["namespace"], row["name"]): (
                {frozenset(one.split("+")) for one in row["dimensions"].split()},
                {frozenset(one.split("+")) for one in row["enhanced"].split()},
                row["unit"],
            )
            for row in csv.DictReader(file)
            if not row["namespace"].startswith(("cdk-sglang/", "AWS/Bedrock-AgentCore", "AWS/Lambda", "AWS/States"))
        }


UNKNOWN = {
    "OverheadLatency", "ModelSetupTime", "FirstChunkLatency", "FirstChunkModelLatency", "FirstChunkOverheadLatency",
    "CPUReservation", "MemoryReservation",
}  # fmt: skip


@pytest.mark.parametrize("enhanced", [False, True])
def test_every_metric_of_sagemaker_that_can_be_known_has_its_dimensions_and_unit(
    sagemaker: Any, driven: Any, root: Path, enhanced: bool
) -> None:
    sagemaker.create_endpoint_config(
        EndpointConfigName="c", ExecutionRoleArn=ROLE, ProductionVariants=[variant()],
        MetricsConfig={"EnableEnhancedMetrics": enhanced},
    )  # fmt: skip
    sagemaker.create_endpoint(EndpointName="fleet", EndpointConfigName="c")
    driven.advance(5)
    any_component(sagemaker)
    driven.advance(5)
    component = next(state.components["llama"] for state in stores())
    (copy,) = component.copies
    errors = ("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors", "MidStreamErrors")
    for counted in (component, copy):
        counted.counts = dict.fromkeys(errors, 1)
        counted.latencies_us = [1000.0]
    driven.advance(65)
    found: dict[tuple[str, str], set[frozenset[str]]] = {}
    for datum in points():
        dimensions = frozenset(x.name for x in datum.dimensions)
        found.setdefault((datum.namespace, datum.name), set()).add(dimensions)
    table = published(root)
    for metric, (plain, more, unit) in table.items():
        if metric[1] not in UNKNOWN:
            assert found.pop(metric, set()) == plain | (more if enhanced else set()), metric
            assert {d.unit for d in points() if (d.namespace, d.name) == metric} == {unit}, metric
    assert found == {}


def test_memory_of_gpus_is_used_while_a_copy_runs(fleet: Any, driven: Any) -> None:
    driven.advance(65)
    assert values(COMPONENTS, "GPUMemoryUtilizationNormalized")[-1] == 85
    assert values(ENDPOINTS, "GPUMemoryUtilizationNormalized")[-1] == 42.5
    assert values(ENDPOINTS, "GPUMemoryUtilization")[-1] == 170


def test_interval_of_utilisation_is_the_endpoints(sagemaker: Any, driven: Any) -> None:
    sagemaker.create_endpoint_config(
        EndpointConfigName="c", ExecutionRoleArn=ROLE, ProductionVariants=[variant()],
        MetricsConfig={"MetricPublishFrequencyInSeconds": 10},
    )  # fmt: skip
    sagemaker.create_endpoint(EndpointName="fleet", EndpointConfigName="c")
    driven.advance(5)
    before = len(values(ENDPOINTS, "GPUReservation"))
    driven.advance(40)
    assert len(values(ENDPOINTS, "GPUReservation")) - before == 2 * 4  # with and without InstanceType
