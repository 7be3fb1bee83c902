"""One turn: a message of the user, the model's answers, and the tool calls between them; bounded, and reported as events."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from strands.hooks import (
    AfterModelCallEvent,
    AfterToolCallEvent,
    AfterToolsEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    HookProvider,
    HookRegistry,
)

from intake import guard
from intake.errors import TurnError
from intake.settings import Settings

logger = logging.getLogger("intake")

Event = dict[str, Any]
HAND_OVER: Final = "hand_over_to_clinician"
MALFORMED: Final = "The arguments were not a JSON object, so the tool was not called. Call it again with valid JSON."
"""What the model reads after it wrote broken JSON."""


@dataclass
class Turn:
    """State of a running turn.

    Args:
        emit: Takes each event for the user.
        key: The caller's idempotency key, or one generated for this turn.
    """

    emit: Callable[[Event], None]
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    tool_calls: int = 0
    read: int = 0
    written: int = 0
    has_text: bool = False
    ending: TurnError | None = None
    handed_over: bool = False
    started: float = field(default_factory=time.monotonic)

    def status(self, text: str) -> None:
        """Tell the user what is going on."""
        self.emit({"type": "status", "text": text})

    def text(self, text: str) -> None:
        """Pass on a piece of the answer."""
        self.has_text = True
        self.emit({"type": "text", "text": text})

    @property
    def tokens(self) -> int:
        """Tokens of the turn so far."""
        return self.read + self.written

    def done(self, stop_reason: str) -> Event:
        """Return the turn's last event, and log the turn in one line without its text.

        Args:
            stop_reason: Why it ended.
        """
        usage = {"input_tokens": self.read, "output_tokens": self.written, "total_tokens": self.tokens}
        seconds = round(time.monotonic() - self.started, 2)
        line = {"turn": stop_reason, "tool_calls": self.tool_calls, "seconds": seconds, **usage}
        logger.info(json.dumps(line))
        return {"type": "done", "stop_reason": stop_reason, "usage": usage}


class Limits(HookProvider):
    """The rules of every tool and model call in a session.

    Args:
        settings: The agent's settings.
        session_id: Id of the session.
        patient: The session's patient.
        turn: Returns the running turn.
        malformed: Ids of tool calls whose arguments were not JSON.
        refused: Whether the gateway refused the last request.
    """

    def __init__(
        self,
        settings: Settings,
        session_id: str,
        *,
        patient: guard.Patient,
        turn: Callable[[], Turn],
        malformed: set[str],
        refused: Callable[[], TurnError | None],
    ) -> None:
        self._settings = settings
        self._session_id = session_id
        self._patient = patient
        self._turn = turn
        self._malformed = malformed
        self._refused = refused

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """Register with Strands."""
        registry.add_callback(BeforeModelCallEvent, self.before_model)
        registry.add_callback(AfterModelCallEvent, self.after_model)
        registry.add_callback(BeforeToolCallEvent, self.before_tool)
        registry.add_callback(AfterToolCallEvent, self.after_tool)
        registry.add_callback(AfterToolsEvent, self.after_tools)

    def before_model(self, event: BeforeModelCallEvent) -> None:
        """End the turn if its token budget is used up."""
        turn = self._turn()
        if turn.tokens >= self._settings.token_budget:
            turn.ending = turn.ending or TurnError(
                "token_budget",
                f"This turn used {turn.tokens} tokens of {self._settings.token_budget}, so it was ended. Ask for less at once, or start a new session.",
            )
            event.cancel = turn.ending.text

    def after_model(self, event: AfterModelCallEvent) -> None:
        """Count tokens."""
        message: Any = event.stop_response.message if event.stop_response else {}
        usage = (message.get("metadata") or {}).get("usage") or {}
        turn = self._turn()
        turn.read += usage.get("inputTokens", 0)
        turn.written += usage.get("outputTokens", 0)

    def before_tool(self, event: BeforeToolCallEvent) -> None:
        """Refuse calls that the rules forbid; make the key of a report."""
        turn, use = self._turn(), event.tool_use
        name, arguments = use["name"], use.get("input")
        arguments = arguments if isinstance(arguments, dict) else {}
        turn.tool_calls += 1
        if turn.tool_calls > self._settings.max_tool_calls:
            turn.ending = turn.ending or TurnError(
                "tool_limit",
                f"The model called tools more than {self._settings.max_tool_calls} times in this turn, so it was ended. Ask for one thing at a time.",
            )
            event.cancel_tool = turn.ending.text
        elif use["toolUseId"] in self._malformed:
            self._malformed.discard(use["toolUseId"])
            event.cancel_tool = MALFORMED
        elif event.selected_tool is None:
            event.cancel_tool = "There is no such tool."
        elif reason := guard.refusal(name, arguments, _arguments_of(event.selected_tool), self._patient):
            turn.status(reason)
            event.cancel_tool = reason
        if event.cancel_tool:
            turn.emit({"type": "tool", "name": guard.short(name), "state": "failed"})
            return
        use["input"] = guard.with_key(name, arguments, session_id=self._session_id, turn=turn.key)
        turn.emit({"type": "tool", "name": guard.short(name), "state": "started"})

    def after_tool(self, event: AfterToolCallEvent) -> None:
        """Hide other patients; report how the call ended, without the texts of exceptions."""
        if event.cancel_message is not None:
            return
        turn, result = self._turn(), dict(event.result)
        if event.exception is not None:
            result["content"] = [{"text": "unavailable: the tool failed; hand over to a clinician if it fails again"}]
        if hidden := guard.hide_others(event.tool_use["name"], result, self._patient):
            turn.status(hidden)
        if guard.failed(result):
            result["status"] = "error"
        event.result = result
        state = "failed" if result.get("status") == "error" else "ended"
        turn.emit({"type": "tool", "name": guard.short(event.tool_use["name"]), "state": state})
        turn.ending = turn.ending or self._refused()

    def after_tools(self, event: AfterToolsEvent) -> None:
        """End the turn after a limit, a refusal of the gateway, or a hand-over."""
        turn = self._turn()
        if turn.ending is not None:
            event.end_turn = turn.ending.text
        elif turn.handed_over:
            event.end_turn = "The case was handed over to a clinician."


def _arguments_of(tool: Any) -> set[str]:
    schema = tool.tool_spec["inputSchema"]
    return set(schema.get("json", schema).get("properties", {}))
