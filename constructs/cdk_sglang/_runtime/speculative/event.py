"""The event that a state passes to its function: the state so far, and which execution it belongs to."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_RUN = re.compile(r"r\d{8}T\d{6}-[0-9a-f]{4}")


@dataclass(frozen=True, kw_only=True)
class Event:
    """What a state passes.

    Attributes:
        run: Name of the run, which is that of its execution and its version.
        reason: `start`, `schedule` or `alarm`.
        execution: ARN of the execution.
        state_machine: ARN of the state machine.
        started: Start of the execution; None if unknown.
        state: Results of the earlier states by their names.
        token: Task token of the question for approval; empty elsewhere.
        status: Status of an execution that has ended, from EventBridge; empty inside an execution.
    """

    run: str
    reason: str = "start"
    execution: str = ""
    state_machine: str = ""
    started: dt.datetime | None = None
    state: Mapping[str, Any]
    token: str = ""
    status: str = ""

    def result(self, name: str) -> dict[str, Any]:
        """Return the result of an earlier state; empty if the state was not reached."""
        found = self.state.get(name)
        return dict(found) if isinstance(found, Mapping) else {}

    @classmethod
    def parse(cls, event: Mapping[str, Any]) -> Event:
        """Parse the state of an execution, `{"token", "state"}` of a question, or EventBridge's event for an execution's status change.

        Raises:
            ValueError: The run has no valid name.
        """
        if event.get("detail-type") == "Step Functions Execution Status Change":
            return cls._ended(event["detail"])
        state = event["state"] if isinstance(event.get("state"), Mapping) else event
        execution = state.get("execution") or {}
        started = execution.get("started")
        return cls(
            run=_checked(state.get("run") or ""),
            reason=state.get("reason") or "start",
            execution=execution.get("id") or "",
            state_machine=execution.get("machine") or "",
            started=dt.datetime.fromisoformat(started) if started else None,
            state=state,
            token=event.get("token") or "",
        )

    @classmethod
    def _ended(cls, detail: Mapping[str, Any]) -> Event:
        state: dict[str, Any] = {}
        for name in ("input", "output"):  # both are absent when they are large
            try:
                content = json.loads(detail.get(name) or "{}")
            except ValueError:
                continue
            state |= content if isinstance(content, dict) else {}
        run = str(state.get("run") or detail["name"])
        return cls(
            run=run if _RUN.fullmatch(run) else "",  # started by a schedule: its record has the name
            reason=state.get("reason") or "start",
            execution=detail["executionArn"],
            state_machine=detail["stateMachineArn"],
            state=state,
            status=detail["status"],
        )

    @property
    def execution_name(self) -> str:
        """Name of the execution."""
        return self.execution.rpartition(":")[2]


def _checked(name: str) -> str:
    if not _RUN.fullmatch(name):
        raise ValueError(
            f"run {name!r}; expected r<YYYYMMDD>T<HHMMSS>-<4 hex digits>; start it with cdk-sglang eagle start"
        )
    return name
