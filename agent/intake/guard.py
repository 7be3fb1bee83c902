"""What the agent's tools may be called with, regardless of the content of a prompt or document.

One session is about one patient: the first one that a search finds. Another patient's record never reaches the model, and a report is saved for that
patient alone. Arguments that a tool does not have (a bucket, a key) are refused here, and again by the tool. The rules are code, not sentences in the
system prompt, since a model can be talked out of those.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

SEARCH: Final = "patient_search"
SAVE: Final = "save_medical_report"
OTHER_PATIENT: Final = (
    "This session is about one patient already, and another patient's record was asked for; the request was refused. "
    "Start a new session for another patient."
)
NOT_FOUND_YET: Final = (
    "A report can be saved only for the patient whom a search in this session has found; the request was refused."
)


@dataclass
class Patient:
    """The patient of a session: the id once a search has found one."""

    identifier: str = ""


def short(name: str) -> str:
    """Return a tool's name without the gateway target's, for example `patient_search` of `clinical___patient_search`."""
    return name.split("___", 1)[-1]


def refusal(name: str, arguments: dict[str, Any], allowed: set[str], patient: Patient) -> str:
    """Return why a call is refused; empty if it is not.

    Args:
        name: The tool's name, with or without the target's.
        arguments: Arguments from the model.
        allowed: Names of the arguments that the tool's schema has.
        patient: The session's patient.
    """
    if unknown := sorted(set(arguments) - allowed):
        return f"The tool {short(name)} has no argument {', '.join(unknown[:3])}; the request was refused."
    if short(name) == SAVE:
        patient_id = arguments.get("patient_id")
        if not patient.identifier:
            return NOT_FOUND_YET
        if patient_id != patient.identifier:
            return OTHER_PATIENT
    return ""


def hide_others(name: str, result: dict[str, Any], patient: Patient) -> str:
    """Limit the session to one patient: record the first one that a search finds, and hide any other.

    Args:
        name: The tool's name.
        result: Its result, changed in place if it is about another patient.
        patient: The session's patient, set by the first search that finds one.

    Returns:
        Why the result was hidden; empty if it was not.
    """
    if short(name) != SEARCH or result.get("status") != "success":
        return ""
    found = _patients(result)
    if not found:
        return ""
    if not patient.identifier and len(found) == 1:
        patient.identifier = found[0]
    if patient.identifier and found == [patient.identifier]:
        return ""
    result["status"] = "error"
    result["content"] = [{"text": f"other-patient: {OTHER_PATIENT}"}]
    result.pop("structuredContent", None)
    return OTHER_PATIENT


def with_key(name: str, arguments: dict[str, Any], *, session_id: str, turn: str) -> dict[str, Any]:
    """Return the arguments with an idempotency key that a repeated turn reproduces; models invent `12345678` for every report.

    Args:
        name: The tool's name.
        arguments: Arguments from the model.
        session_id: Id of the session.
        turn: The turn's key, the caller's own if it gave one.
    """
    if short(name) != SAVE:
        return arguments
    text = json.dumps([session_id, turn, arguments.get("patient_id"), arguments.get("format")])
    return {**arguments, "idempotency_key": hashlib.sha256(text.encode()).hexdigest()[:40]}


def failed(result: dict[str, Any]) -> bool:
    """Whether a tool's result is an error; a gateway may pass one on as the text of a successful call."""
    if result.get("status") == "error":
        return True
    return any(value.get("isError") is True for value in _values(result))


def _patients(result: dict[str, Any]) -> list[str]:
    found = [
        str(patient.get("patient_id"))
        for value in _values(result)
        for patient in value.get("patients") or ()
        if isinstance(patient, dict)
    ]
    return list(dict.fromkeys(found))


def _values(result: dict[str, Any]) -> list[dict[str, Any]]:
    values: list[Any] = [result.get("structuredContent")]
    for block in result.get("content") or ():
        values.append(block.get("json"))
        if "text" in block:
            try:
                values.append(json.loads(block["text"]))
            except ValueError:
                continue
    return [value for value in values if isinstance(value, dict)]
