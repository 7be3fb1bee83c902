"""Metrics of AgentCore that the embedded AWS publishes: names, dimensions and units of the library's sourced table, and their values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.cloudwatch.models import cloudwatch_backends

from cdk_sglang.metrics.cloudwatch import AGENTCORE, cloudwatch_metrics
from tests.localcloud.agents import PROGRAM, Stack, events, gateway, package, runtime
from tests.localcloud.helpers import eventually
from tests.localcloud.test_agent_gateways import URL, Mcp
from tests.localcloud.test_agent_memories import ID, MEMORY
from tests.localcloud.test_agent_runtimes import OTHER, OUTPUTS, SESSION

pytestmark = pytest.mark.usefixtures("agents")


def _points() -> list[Any]:
    data = cloudwatch_backends["123456789012"]["us-east-1"].metric_data
    return [datum for datum in data if datum.namespace == AGENTCORE]


def _total(name: str, **dimensions: str) -> float:
    """Sum of a metric with exactly these dimensions."""
    found = (d for d in _points() if d.name == name and {x.name: x.value for x in d.dimensions} == dimensions)
    return float(sum(datum.value for datum in found))


def _check_facts() -> None:
    for datum in _points():
        fact = cloudwatch_metrics()[AGENTCORE, datum.name]
        assert frozenset(x.name for x in datum.dimensions) in fact.dimensions, datum.name
        assert datum.unit == fact.unit, datum.name


def test_turns_sessions_errors_and_throttles_of_a_runtime(client: Callable[[str], Any], admin: Any) -> None:
    s3, core = client("s3"), client("bedrock-agentcore")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="agent.zip", Body=package(main=PROGRAM, helper="NAME = 'own module'"))
    arn = Stack(client).deploy({"Agent": runtime()}, **OUTPUTS)["Arn"]

    def invoke(session: str, payload: str = "{}") -> dict[str, Any]:
        return dict(core.invoke_agent_runtime(agentRuntimeArn=arn, runtimeSessionId=session, payload=payload))

    for session in (SESSION, SESSION, OTHER):
        events(invoke(session))
    with pytest.raises(ClientError):
        invoke(SESSION, '{"status": 500}')
    admin("POST", "faults", {"fault": "throttling", "target": "InvokeAgentRuntime", "times": 1})
    with pytest.raises(ClientError):
        invoke(SESSION)

    place = {"Operation": "InvokeAgentRuntime", "Name": "local_agent::DEFAULT", "Resource": arn}
    eventually(lambda: _total("Invocations", **place) == 5)  # an answer is counted when it has been sent
    counted = {
        name: _total(name, **place)
        for name in ("SessionCount", "UserErrors", "SystemErrors", "TotalErrors", "Throttles")
    }
    assert counted == {"SessionCount": 2, "UserErrors": 1, "SystemErrors": 0, "TotalErrors": 1, "Throttles": 1}
    assert _total("Latency", **place) > 0
    _check_facts()


def test_requests_to_a_gateway_and_the_time_in_its_function(client: Callable[[str], Any], admin: Any) -> None:
    outputs = Stack(client).deploy(gateway(), **URL, Arn={"Fn::GetAtt": ["Gateway", "GatewayArn"]})
    mcp = Mcp(outputs["Url"])
    assert mcp.rpc("tools/list")["tools"]
    assert mcp.call("clinical___patient_search", query="Ana")[0] is False
    assert "Unknown tool" in mcp.rpc("tools/call", name="clinical___nothing", arguments={})["message"]
    admin("POST", "faults", {"fault": "throttling", "target": "InvokeGateway", "times": 1})
    assert mcp.send({})[0] == 429

    place = {"Operation": "InvokeGateway", "Protocol": "MCP", "Resource": outputs["Arn"]}
    counted = {name: _total(name, **place) for name in ("Invocations", "UserErrors", "SystemErrors", "Throttles")}
    assert counted == {"Invocations": 4, "UserErrors": 1, "SystemErrors": 0, "Throttles": 1}
    assert 0 < _total("TargetExecutionTime", **place) <= _total("Duration", **place)
    _check_facts()


def test_requests_to_a_memory_by_operation(client: Callable[[str], Any]) -> None:
    outputs = Stack(client).deploy({"Memory": MEMORY}, **ID)
    core = client("bedrock-agentcore")
    place = {"memoryId": outputs["Id"], "actorId": "nurse-7", "sessionId": "s1"}
    payload = [{"conversational": {"role": "USER", "content": {"text": "hello"}}}]
    for _ in range(2):
        core.create_event(**place, eventTimestamp=datetime.now(UTC), payload=payload)
    core.list_events(**place)

    for operation, count in (("CreateEvent", 2), ("ListEvents", 1)):
        shown = {"Operation": operation, "Resource": outputs["Arn"]}
        assert (_total("Invocations", **shown), _total("Errors", **shown)) == (count, 0)
    _check_facts()
