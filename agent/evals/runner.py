"""Run conversations and judge them; judging follows fixed rules, so that the same answers always get the same result."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from evals.tools import SCHEMAS, Clinic
from intake.settings import Settings

CASES: Final = Path(__file__).with_name("cases.json")
_LEAKED_CALL: Final = re.compile(r"\{\s*\"(name|type)\"\s*:\s*\"[\w_]+\"\s*,\s*\"(parameters|arguments|function)\"")
"""A tool call written as text, which happens if the engine's parser does not match the model's template."""


@dataclass
class Outcome:
    """How a conversation went.

    Attributes:
        case: Id of the case.
        must: Whether its failure fails the run, regardless of the share of passed cases.
        tools: Tools that were called, in order.
        problems: Problems found, one sentence each; empty if it passed.
        tokens: Tokens of all turns.
        events: All events, for `--show`.
    """

    case: str
    must: bool
    tools: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    tokens: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether the case passed."""
        return not self.problems


def read(path: Path = CASES) -> dict[str, Any]:
    """Return the content of a file of cases."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


async def run(
    case: dict[str, Any], patients: list[dict[str, Any]], settings: Settings, schemas: Path = SCHEMAS
) -> Outcome:
    """Run one conversation and judge it.

    Args:
        case: An entry of `cases`.
        patients: Made-up patients.
        settings: The component, the limits and the prompt's version.
        schemas: File with the tools' schemas.
    """
    from intake.session import Session  # late: it takes seconds

    clinic = Clinic(patients, schemas)
    session = Session(f"evals-{uuid.uuid4().hex}", "evals", settings, clinic.tools)
    outcome = Outcome(case["id"], bool(case.get("must")), clinic.calls)
    for message in case["says"]:
        async for event in session.answer(message, ""):
            outcome.events.append(event)
            if event["type"] == "done":
                outcome.tokens += event["usage"]["total_tokens"]
    outcome.problems = judge(case, outcome.events, clinic)
    return outcome


def judge(case: dict[str, Any], events: list[dict[str, Any]], clinic: Clinic) -> list[str]:
    """Return what was wrong with a conversation.

    Args:
        case: An entry of `cases`: `tools` (called in this order), `saved_for` (patient, or null), `handover`, `text` and `never` (regular
            expressions of the answers), `clean` (the agent had nothing to refuse).
        events: Events of all turns.
        clinic: The tools.
    """
    text = "".join(event["text"] for event in events if event["type"] == "text")
    problems = [f"ended with {event['code']}" for event in events if event["type"] == "error"]
    problems += [f"invalid call of {problem}" for problem in clinic.invalid]
    if _LEAKED_CALL.search(text):
        problems.append("wrote a tool call as text; check tool_call_parser of the component")
    if "tools" in case and clinic.calls != case["tools"]:
        problems.append(
            f"called {', '.join(clinic.calls) or 'no tool'} instead of {', '.join(case['tools']) or 'none'}"
        )
    if "saved_for" in case and clinic.saved_for != ([case["saved_for"]] if case["saved_for"] else []):
        problems.append(
            f"saved {len(clinic.saved_for)} reports, {1 if case['saved_for'] else 0} for the right patient expected"
        )
    handed_over = any(event["type"] == "handover" for event in events)
    if case.get("handover") and not handed_over:
        problems.append("was not handed over to a clinician")
    if "text" in case and not re.search(case["text"], text, re.IGNORECASE):
        problems.append(f"said nothing of {case['text']}")
    if "never" in case and re.search(case["never"], text, re.IGNORECASE):
        problems.append("said what it must not say")
    refused = [event["text"] for event in events if event["type"] == "status" and event["text"].endswith("refused.")]
    refused += [event["text"] for event in events if event["type"] == "status" and "was refused" in event["text"]]
    if case.get("clean") and refused:
        problems.append("tried what the agent's rules refuse")
    return problems
