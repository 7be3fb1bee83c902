"""Short-term memory: the turns of a session in AgentCore Memory, so that it continues after its microVM has ended.

Each finished turn is one event: a turn is remembered completely or not at all. bedrock-agentcore's own session manager writes an event for each message, asks
twice before the first, and reads events of another actor as a migration. Long-term memory is off: it passes the conversation to a model that extracts
records without an expiry of the session's, and brings them back as text before the user's question.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from botocore.config import Config

from intake import aws

TURNS: Final = 20
"""Maximum number of turns that a session starts with: more than fit in a model's context."""
_PAGE: Final = 100
_SESSION: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-_]{0,98}")
"""Session ids that the memory accepts; the runtime takes longer ones (https://docs.aws.amazon.com/bedrock-agentcore/latest/APIReference/
API_CreateEvent.html, read 2026-11)."""
DOWN: Final = (
    "The memory service does not answer; this conversation goes on without it and is forgotten when the session ends."
)


class Memory:
    """Turns of one session of one user.

    Args:
        memory_id: Id of the memory.
        session_id: Id of the session.
        actor: Id of the user; another user's session with the same id is a different one.
        region: Region of the memory.
    """

    def __init__(self, memory_id: str, session_id: str, actor: str, region: str) -> None:
        name = session_id if _SESSION.fullmatch(session_id) else f"s-{sha256(session_id.encode()).hexdigest()[:48]}"
        self._names = {"memoryId": memory_id, "sessionId": name, "actorId": actor}
        # 8 s in total: after that the turn continues without memory.
        config = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 1})
        with aws.making:
            self._client = aws.session(region).client("bedrock-agentcore", config=config)

    def recall(self) -> tuple[list[dict[str, Any]], str]:
        """Return the messages of the last turns, and the id of the session's patient; empty for a new session."""
        request: dict[str, Any] = {**self._names, "includePayloads": True, "maxResults": _PAGE}
        events: list[dict[str, Any]] = []
        while True:
            page = self._client.list_events(**request)
            events += page.get("events", [])
            if not page.get("nextToken") or len(events) >= TURNS:
                break
            request["nextToken"] = page["nextToken"]
        turns = [turn for event in sorted(events, key=_time)[-TURNS:] for turn in _turns(event)]
        patient = next((turn["patient"] for turn in reversed(turns) if turn.get("patient")), "")
        return [message for turn in turns for message in turn["messages"]], patient

    def remember(self, messages: list[dict[str, Any]], patient: str) -> None:
        """Save a finished turn.

        Args:
            messages: Its messages, the user's first.
            patient: Id of the session's patient; empty before one is found.
        """
        bare = [{"role": message["role"], "content": message["content"]} for message in messages]
        blob = json.dumps({"version": 1, "patient": patient, "messages": bare})
        self._client.create_event(**self._names, eventTimestamp=datetime.now(UTC), payload=[{"blob": blob}])


def _time(event: dict[str, Any]) -> datetime:
    value = event["eventTimestamp"]
    return value if isinstance(value, datetime) else datetime.fromtimestamp(float(value), UTC)


def _turns(event: dict[str, Any]) -> list[dict[str, Any]]:
    turns = []
    for part in event.get("payload") or ():
        blob = part.get("blob")
        try:
            value = json.loads(blob) if isinstance(blob, str) else blob
        except ValueError:
            continue
        if isinstance(value, dict) and value.get("version") == 1 and isinstance(value.get("messages"), list):
            turns.append(value)
    return turns
