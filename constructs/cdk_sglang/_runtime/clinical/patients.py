"""Find one patient in the table."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

from .refused import ToolRefusedError

INDEX: Final = "by_name"
PREFIX_LETTERS: Final = 3
"""Number of letters of the family name that form the index's partition key."""
_IDENTIFIER: Final = re.compile(r"p-[0-9a-f]{12}")
_PAGES_MAX: Final = 20
_SHOWN: Final = ("patient_id", "name", "birth_date", "sex", "allergies", "conditions", "medications")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")


def search(table: Any, query: str, *, birth_date: str | None = None) -> dict[str, Any]:
    """Find the one patient identified by a name or an id.

    Records are shown only if exactly one patient matches, so that nobody can list the table through a model.

    Args:
        table: The table of patients.
        query: Name or id.
        birth_date: Date of birth as YYYY-MM-DD.

    Returns:
        `count`, and `patients` with the one record; without it a `hint` for the model.

    Raises:
        ToolRefusedError: The date is invalid, or the query contains no name.
    """
    if birth_date is not None:
        _check_date(birth_date)
    text = query.strip()
    found = _by_id(table, text) if _IDENTIFIER.fullmatch(text) else _by_name(table, text)
    if birth_date is not None:
        found = [patient for patient in found if patient.get("birth_date") == birth_date]
    if len(found) == 1:
        return {"count": 1, "patients": [{name: found[0][name] for name in _SHOWN if name in found[0]}]}
    hint = (
        "no patient matches; check the spelling with the user, or hand over to a clinician"
        if not found
        else "several patients match; ask the user for the date of birth or the full name"
    )
    return {"count": len(found), "patients": [], "hint": hint}


def exists(table: Any, patient_id: str) -> bool:
    """Whether the table has the patient."""
    return "Item" in table.get_item(Key={"patient_id": patient_id}, ProjectionExpression="patient_id")


def name_keys(family: str, full: str) -> dict[str, str]:
    """Return the index keys of a patient.

    Args:
        family: Family name.
        full: Given and family name.
    """
    return {"name_prefix": family.lower()[:PREFIX_LETTERS], "name_lower": full.lower()}


def _check_date(birth_date: str) -> None:
    try:
        dt.date.fromisoformat(birth_date)
    except ValueError:
        raise ToolRefusedError("bad-arguments", "birth_date: there is no such day; use YYYY-MM-DD") from None


def _by_id(table: Any, patient_id: str) -> list[dict[str, Any]]:
    item = table.get_item(Key={"patient_id": patient_id}).get("Item")
    return [] if item is None else [item]


def _by_name(table: Any, text: str) -> list[dict[str, Any]]:
    words = [word.lower() for word in _WORD.findall(text)]
    if not words:
        raise ToolRefusedError("bad-arguments", "query: has no name and no patient id in it")
    found: dict[str, dict[str, Any]] = {}
    for prefix in dict.fromkeys(word[:PREFIX_LETTERS] for word in words):
        for patient in _partition(table, prefix):
            names = set(_WORD.findall(patient["name_lower"]))
            if names.issuperset(words):
                found[patient["patient_id"]] = patient
    return list(found.values())


def _partition(table: Any, prefix: str) -> list[dict[str, Any]]:
    patients: list[dict[str, Any]] = []
    request: dict[str, Any] = {
        "IndexName": INDEX,
        "KeyConditionExpression": "name_prefix = :prefix",
        "ExpressionAttributeValues": {":prefix": prefix},
    }
    for _ in range(_PAGES_MAX):
        page = table.query(**request)
        patients += page["Items"]
        if "LastEvaluatedKey" not in page:
            return patients
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    raise ToolRefusedError("too-many", "too many patients share this beginning of a name; use the patient id")
