"""Events of memories: moto's, restricted to memories that exist, with the filter and the pages that moto lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from moto.bedrockagentcore.exceptions import ResourceNotFoundException
from moto.bedrockagentcore.models import BedrockAgentCoreBackend
from moto.bedrockagentcore.responses import BedrockAgentCoreResponse
from moto.core.responses import ActionResult

from localcloud.aws.agents.measures import MemoryRequest
from localcloud.aws.agents.store import store

_PAGE: Final = 20
"""Events per page unless MaxResults says otherwise (default in the API reference of ListEvents, read 2026-11)."""


def _create_event(self: BedrockAgentCoreBackend, memory_id: str, **event: Any) -> Any:
    with _measured(self, memory_id, "CreateEvent"):
        return _moto_create(self, memory_id=memory_id, **event)


def _list_events(self: BedrockAgentCoreResponse) -> ActionResult:
    parameters = self._get_params()
    with _measured(self.backend, parameters["memoryId"], "ListEvents"):
        return _page_of_events(self, parameters)


def _page_of_events(self: BedrockAgentCoreResponse, parameters: dict[str, Any]) -> ActionResult:
    key = (parameters["memoryId"], parameters["actorId"], parameters["sessionId"])
    conditions = parameters.get("filter", {}).get("eventMetadata", [])
    events = [event for event in self.backend.events.get(key, {}).values() if _matches(event.metadata, conditions)]
    start, size = int(parameters.get("nextToken") or 0), int(parameters.get("maxResults") or _PAGE)
    page = [
        event.to_dict(include_payload=parameters.get("includePayloads", False))
        for event in events[start : start + size]
    ]
    return ActionResult({"events": page, "nextToken": str(start + size) if start + size < len(events) else None})


def _matches(metadata: dict[str, Any], conditions: list[dict[str, Any]]) -> bool:
    def holds(condition: dict[str, Any]) -> bool:
        key = condition["left"]["metadataKey"]
        if condition["operator"] == "EQUALS_TO":
            return bool(metadata.get(key) == condition["right"]["metadataValue"])
        return bool((key in metadata) == (condition["operator"] == "EXISTS"))

    return all(holds(condition) for condition in conditions)


@contextmanager
def _measured(backend: BedrockAgentCoreBackend, memory_id: str, operation: str) -> Iterator[None]:
    """Publish a request to a memory as its metrics; refuse one to a memory that does not exist."""
    memory = store(backend.account_id, backend.region_name).memories.get(memory_id)
    if memory is None:
        raise ResourceNotFoundException(f"Memory '{memory_id}' was not found")
    measured = MemoryRequest(backend.account_id, backend.region_name, memory, operation)
    try:
        yield
    except BaseException:
        measured.ended(failed=True)
        raise
    measured.ended(failed=False)


_moto_create = BedrockAgentCoreBackend.create_event


def install() -> None:
    """Replace moto's operations on events by these."""
    BedrockAgentCoreBackend.create_event = _create_event
    BedrockAgentCoreResponse.list_events = _list_events
