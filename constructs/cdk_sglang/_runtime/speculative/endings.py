"""How a run ended, in the wording shared by status, report and the execution's cause."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .ends import (
    APPROVAL_REFUSED,
    APPROVAL_TIMED_OUT,
    FAILED,
    GATE_SAID_NO,
    PROMOTED,
)
from .event import Event

_RESULTS = ("promotion", "verdict", "bench", "gate", "assembled", "draft", "watch", "job", "inputs")
"""Results of the states, the last one first."""
_NEXT = "see the execution's history in Step Functions, fix the cause, and start again: cdk-sglang eagle start"
_COMMAND = re.compile(r"(cdk-sglang eagle [a-z]+)(?! --env)")
_TEXT_MAX = 4000
"""Maximum length of a reason; a cause has at most 32,768 characters (docs.aws.amazon.com/step-functions/latest/apireference/API_ExecutionFailed, read 2026-11)."""


def ended(event: Event, *, run: str, options: str) -> dict[str, Any]:
    """Return state, reason, next step, run, dollars spent and report.

    Args:
        event: Event of the clean-up.
        run: Name of the run.
        options: Options of the command line that name the component, which are appended to the next step's commands.
    """
    state = str(event.result("end").get("state") or "")
    reason, step = _reason(event, state, run)
    if not state:  # an execution that ended on its own, for example an aborted one
        own = event.state.get("state")
        state = own if isinstance(own, str) and own else FAILED
        reason = reason or str(event.state.get("reason") or f"the execution ended as {event.status or 'unknown'}")
    verdict = event.result("verdict")
    spent = event.result("watch").get("spent_usd", 0.0) + event.result("bench").get("usd", 0.0)
    return {
        "state": state,
        "reason": (reason or state)[:_TEXT_MAX],
        "next": _COMMAND.sub(rf"\1 {options}", step or _NEXT),
        "run": run,
        "spent_usd": round(spent, 2),
        "report": verdict.get("report"),
    }


def _reason(event: Event, state: str, run: str) -> tuple[str, str]:
    verdict = event.result("verdict")
    reasons = "; ".join(verdict.get("reasons", ()))
    why = event.result("approval").get("reason")
    told_ends = {
        PROMOTED: (
            f"version {run} serves: {reasons}",
            "cdk-sglang eagle status; the way back: cdk-sglang eagle rollback",
        ),
        GATE_SAID_NO: (reasons, "read the report (cdk-sglang eagle report); the base model serves on as before"),
        APPROVAL_REFUSED: (
            f"the promotion was refused{f': {why}' if why else ''}",
            "the base model serves on as before",
        ),
        APPROVAL_TIMED_OUT: (
            "nobody answered within the time",
            "start again when somebody can answer: cdk-sglang eagle start",
        ),
    }
    if state in told_ends:
        return told_ends[state]
    found = event.state.get("error")
    if isinstance(found, Mapping):
        return _of_error(found)
    for name in _RESULTS:
        result = event.result(name)
        if result.get("end"):
            return str(result.get("reason", "")), str(result.get("next", ""))
    return "", ""


def _of_error(error: Mapping[str, Any]) -> tuple[str, str]:
    """Return reason and next step of an error that the state machine caught: Lambda's JSON, which may hold ours, or a text."""
    text = str(error.get("Cause") or error.get("Error") or "")
    try:
        content = json.loads(text)
    except ValueError:
        return text, ""
    message = content.get("errorMessage", text) if isinstance(content, Mapping) else text
    try:
        own = json.loads(message)
    except (ValueError, TypeError):
        return f"{error.get('Error')}: {message}", ""
    if isinstance(own, Mapping) and "reason" in own:
        return str(own["reason"]), str(own.get("next", ""))
    return f"{error.get('Error')}: {message}", ""
