"""Stand-in tools for the conversations, under the names and schemas of the real ones: they look nothing up, and save nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from strands.tools.tools import PythonAgentTool

SCHEMAS: Final = (
    Path(__file__).resolve().parents[2] / "constructs" / "cdk_sglang" / "_runtime" / "clinical" / "tools.json"
)
"""Schemas of the real tools, in a checkout of the repository."""
_TARGET: Final = "clinical"


class Clinic:
    """The tools, and a record of their calls.

    Args:
        patients: Made-up patients.
        schemas: File with the tools' schemas.
    """

    def __init__(self, patients: list[dict[str, Any]], schemas: Path = SCHEMAS) -> None:
        self._patients = patients
        self.calls: list[str] = []
        self.saved_for: list[str] = []
        self.invalid: list[str] = []
        definitions = json.loads(schemas.read_text(encoding="utf-8"))["tools"]
        self.tools = [self._tool(definition) for definition in definitions]

    def _tool(self, definition: dict[str, Any]) -> PythonAgentTool:
        from strands.tools.tools import PythonAgentTool

        name = f"{_TARGET}___{definition['name']}"
        spec = {
            "name": name,
            "description": definition["description"],
            "inputSchema": {"json": definition["inputSchema"]},
        }

        def call(use: Any, **_: Any) -> Any:
            arguments = use["input"]
            self.calls.append(definition["name"])
            problem = _problem(definition["inputSchema"], arguments)
            if problem:
                self.invalid.append(f"{definition['name']}: {problem}")
                content, status = f"bad-arguments: {problem}", "error"
            else:
                content, status = json.dumps(getattr(self, definition["name"])(**arguments)), "success"
            return {"toolUseId": use["toolUseId"], "status": status, "content": [{"text": content}]}

        return PythonAgentTool(name, spec, call)

    def patient_search(self, query: str, birth_date: str = "") -> dict[str, Any]:
        """Return the one patient that a query identifies, as the real tool does."""
        words = set(re.findall(r"\w+", query.lower()))
        found = [
            patient
            for patient in self._patients
            if (query == patient["patient_id"] or words <= set(patient["name"].lower().split()))
            and birth_date in {"", patient["birth_date"]}
        ]
        return {"count": len(found), "patients": found if len(found) == 1 else []}

    def save_medical_report(self, patient_id: str, **_: Any) -> dict[str, Any]:
        """Record for which patient a report would be saved."""
        self.saved_for.append(patient_id)
        return {"report_id": "0" * 20, "version_id": "1", "format": "markdown"}


def _problem(schema: dict[str, Any], arguments: dict[str, Any]) -> str:
    properties: dict[str, dict[str, Any]] = schema["properties"]
    if missing := [name for name in schema.get("required", ()) if name not in arguments]:
        return f"{missing[0]} is missing"
    for name, value in arguments.items():
        rules = properties.get(name)
        if rules is None:
            return f"there is no {name}"
        if not isinstance(value, str):
            return f"{name} is no string"
        if "pattern" in rules and not re.search(rules["pattern"], value):
            return f"{name} does not match {rules['pattern']}"
        if value not in rules.get("enum", [value]) or not rules.get("minLength", 0) <= len(value) <= rules.get(
            "maxLength", 10**6
        ):
            return f"{name} has a value that is not allowed"
    return ""
