"""One agent for all tests of its behaviour: it takes seconds to start, and sessions keep tests apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.agent.gateway_stand_in import GatewayStandIn
from tests.agent.memory_stand_in import MEMORY, MemoryStandIn
from tests.agent.model_stand_in import COMPONENT, ENDPOINT, ModelStandIn
from tests.agent.otlp_sink import OtlpSink
from tests.agent.process import VENV, AgentProcess, agent, exporting_to
from tests.agent.stand_in import CREDENTIALS, StandIn

WAKE_SECONDS = 3
TOOL_CALLS = 3
TOKEN_BUDGET = 1000
ANSWER_TOKENS = 300


@dataclass
class World:
    """The agent and the stand-ins around it."""

    agent: AgentProcess
    model: ModelStandIn
    gateway: GatewayStandIn
    memory: MemoryStandIn
    sink: OtlpSink
    variables: dict[str, str]


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if not (VENV / "bin" / "python").exists():
        pytest.fail("no .venv-agent; run make agent-tools")
    model, gateway, memory, sink = ModelStandIn(), GatewayStandIn(), MemoryStandIn(), OtlpSink()
    log = tmp_path_factory.mktemp("agent") / "agent.log"
    with StandIn(model) as runtime, StandIn(gateway) as tools, StandIn(memory) as events, StandIn(sink) as collector:
        variables = {
            **CREDENTIALS,
            "CDK_SGLANG_ENDPOINT": ENDPOINT,
            "CDK_SGLANG_COMPONENT": COMPONENT,
            "CDK_SGLANG_ADAPTER": "intake-lora",
            "CDK_SGLANG_ENVIRONMENT": "test",
            "CDK_SGLANG_GATEWAY_URL": f"{tools.url}/mcp",
            "CDK_SGLANG_MEMORY_ID": MEMORY,
            "CDK_SGLANG_MAX_TOOL_CALLS": str(TOOL_CALLS),
            "CDK_SGLANG_TOKEN_BUDGET": str(TOKEN_BUDGET),
            "CDK_SGLANG_ANSWER_TOKENS": str(ANSWER_TOKENS),
            "CDK_SGLANG_WAKE_SECONDS": str(WAKE_SECONDS),
            "CDK_SGLANG_PROMPT_VERSION": "1",
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": runtime.url,
            "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": events.url,
            **exporting_to(collector.url),
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=test_agent.DEFAULT",
        }
        with agent(log, instrument=True, **variables) as process:
            yield World(process, model, gateway, memory, sink, variables)


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """The shared agent, with stand-ins that are up and say nothing of another test's."""
    shared_world.model.says()
    shared_world.model.rule = None
    shared_world.gateway.reset()
    shared_world.memory.down = False
    yield shared_world
    shared_world.memory.down = False
    shared_world.gateway.reset()
