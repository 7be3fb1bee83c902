"""AgentCore memories: deployed by CloudFormation; events are kept by memory, actor and session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.agents import Stack

MEMORY = {
    "Type": "AWS::BedrockAgentCore::Memory",
    "Properties": {"Name": "local_agent_memory", "EventExpiryDuration": 7},
}
ID = {"Id": {"Fn::GetAtt": ["Memory", "MemoryId"]}, "Arn": {"Ref": "Memory"}}


def test_events_are_filtered_by_metadata_and_come_in_pages(client: Callable[[str], Any]) -> None:
    outputs = Stack(client).deploy({"Memory": MEMORY}, **ID)
    core = client("bedrock-agentcore")
    place = {"memoryId": outputs["Id"], "actorId": "nurse-7", "sessionId": "s1"}
    for number in range(5):
        kind = {"metadata": {"stateType": {"stringValue": "SESSION"}}} if number == 0 else {}
        payload = [{"conversational": {"role": "USER", "content": {"text": f"turn {number}"}}}]
        core.create_event(**place, eventTimestamp=datetime.now(UTC), payload=payload, **kind)

    def listed(**filters: Any) -> list[str]:
        pages = core.get_paginator("list_events").paginate(
            **place, **filters, includePayloads=True, PaginationConfig={"PageSize": 2}
        )
        events = [event for page in pages for event in page["events"]]
        return [event["payload"][0]["conversational"]["content"]["text"] for event in events]

    marked = {"left": {"metadataKey": "stateType"}, "operator": "EXISTS"}
    equal = {**marked, "operator": "EQUALS_TO", "right": {"metadataValue": {"stringValue": "AGENT"}}}
    assert listed() == [f"turn {number}" for number in range(5)]
    assert listed(filter={"eventMetadata": [marked]}) == ["turn 0"]
    assert listed(filter={"eventMetadata": [{**marked, "operator": "NOT_EXISTS"}]}) == [
        f"turn {n}" for n in range(1, 5)
    ]
    assert listed(filter={"eventMetadata": [equal]}) == []
    assert core.list_events(**place | {"actorId": "nurse-8"})["events"] == []


def test_a_memory_that_does_not_exist_is_not_found(client: Callable[[str], Any]) -> None:
    core = client("bedrock-agentcore")
    payload = [{"conversational": {"role": "USER", "content": {"text": "hello"}}}]
    with pytest.raises(ClientError, match="Memory 'gone-0123456789' was not found"):
        core.create_event(
            memoryId="gone-0123456789", actorId="a", sessionId="s", eventTimestamp=datetime.now(UTC), payload=payload
        )


def test_the_control_plane_shows_the_memory_until_its_stack_is_deleted(client: Callable[[str], Any]) -> None:
    stack = Stack(client)
    outputs = stack.deploy({"Memory": MEMORY}, **ID)
    control = client("bedrock-agentcore-control")
    shown = control.get_memory(memoryId=outputs["Id"])["memory"]

    assert outputs["Arn"] == shown["arn"] == f"arn:aws:bedrock-agentcore:us-east-1:123456789012:memory/{outputs['Id']}"
    assert (shown["name"], shown["eventExpiryDuration"], shown["status"]) == ("local_agent_memory", 7, "ACTIVE")
    stack.delete()
    assert control.list_memories()["memories"] == []
