"""Traces that would reach nobody are refused before anything is deployed."""

from __future__ import annotations

import pytest

from cdk_sglang import SglangOptions
from cdk_sglang.engine import TracingOptions
from cdk_sglang.planning.component.tracing import tracing_problems
from tests.support.fleets import Built, problems


def server(endpoint: str = "collector.internal:4317") -> SglangOptions:
    return SglangOptions(tracing=TracingOptions(otlp_endpoint=endpoint))


def test_a_container_without_network_has_no_traces() -> None:
    (line,) = problems(lambda: Built().add("llama", server=server()))
    assert line == (
        "llama.server.tracing: spans cannot leave a container without network, got network_isolation: true and collector.internal:4317; "
        "set the endpoint's network_isolation to false, with subnets from which the collector is reached, or leave tracing out"
    )


def test_with_a_network_traces_go_to_their_collector() -> None:
    built = Built(network_isolation=False)
    built.add("llama", server=server())
    ((_, model),) = built.all("AWS::SageMaker::Model").items()
    environment = model["Properties"]["PrimaryContainer"]["Environment"]
    assert environment["SM_SGLANG_OTLP_TRACES_ENDPOINT"] == "collector.internal:4317"


@pytest.mark.parametrize(
    "endpoint", ["localhost:4317", "127.0.0.1:4317", "http://localhost:4318/v1/traces", "[::1]:4317"]
)
def test_the_container_itself_is_no_collector(endpoint: str) -> None:
    (problem,) = tracing_problems("chat.llama", server(endpoint), network_isolation=False)
    assert problem.path == "chat.llama.server.tracing.otlp_endpoint"
    assert tracing_problems("x", server(), network_isolation=False) == []
    assert tracing_problems("x", SglangOptions(), network_isolation=True) == []


def test_an_environment_says_it_at_its_own_path() -> None:
    from cdk_sglang.environments.planning import resolve_fleet
    from cdk_sglang.environments.settings import Environment

    component = {
        "model": {"s3": "s3://models/llama/", "weights_gib": 15},
        "server": {"tracing": {"otlp_endpoint": "c:4317"}},
    }
    endpoint = {"capacity": {"type": "ml.g6e.12xlarge", "max_instances": 2}, "components": {"llama": component}}
    content = {"network": {"vpc": "none"}, "endpoints": {"chat": endpoint}}
    found = [str(problem) for problem in resolve_fleet(Environment.model_validate(content), name="dev").problems]
    assert any(line.startswith("endpoints.chat.components.llama.server.tracing: spans cannot leave") for line in found)
    endpoint["network_isolation"] = False
    assert not any(
        "tracing" in str(one) for one in resolve_fleet(Environment.model_validate(content), name="dev").problems
    )
