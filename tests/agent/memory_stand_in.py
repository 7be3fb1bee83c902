"""A stand-in for AgentCore Memory's CreateEvent and ListEvents, two events a page, that can be down."""

from __future__ import annotations

import re
from typing import Any

from tests.agent.stand_in import Request, Response

MEMORY = "clinic_agent_memory-AbCdEfGhIj"
_CREATE = re.compile(r"/memories/[^/]+/events")
_LIST = re.compile(r"/memories/[^/]+/actor/([^/]+)/sessions/([^/]+)")


class MemoryStandIn:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.down = False

    def __call__(self, request: Request) -> Response:
        if request.signed_for() != "bedrock-agentcore":
            return Response.of({"message": "denied"}, 403)
        if self.down:
            return Response.of({"message": "down"}, 503)
        if _CREATE.fullmatch(request.path):
            event = {**request.json, "eventId": f"0000001700000000000#{len(self.events):08x}"}
            self.events.append(event)
            return Response.of({"event": event}, 201)
        match = _LIST.fullmatch(request.path)
        if match is None:
            return Response.of({"message": "not found"}, 404)
        found = [event for event in self.events if (event["actorId"], event["sessionId"]) == match.groups()][::-1]
        start = int(request.json.get("nextToken") or 0)
        page: dict[str, Any] = {"events": found[start : start + 2]}
        return Response.of(page | ({"nextToken": str(start + 2)} if start + 2 < len(found) else {}))
