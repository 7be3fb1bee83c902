"""State machines of a template, checked as Amazon States Language by asl-validator (npm)."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tools.check.commands import run
from tools.check.template_text import substituted, text_of

_TYPE: Final = "AWS::StepFunctions::StateMachine"
_MESSAGE: Final = re.compile(r"[A-Z_]+: ")
_TIMEOUT_SECONDS: Final = 60


def definitions(template: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield logical id and definition, as JSON text, of each state machine; None for a definition in S3."""
    for logical_id, resource in template.get("Resources", {}).items():
        if resource.get("Type") != _TYPE:
            continue
        properties = resource.get("Properties", {})
        substitutions = properties.get("DefinitionSubstitutions", {})
        if "DefinitionString" in properties:
            yield logical_id, substituted(text_of(properties["DefinitionString"]), substitutions)
        elif "Definition" in properties:
            yield logical_id, substituted(json.dumps(_resolved(properties["Definition"])), substitutions)
        else:
            yield logical_id, None


def findings(template: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return logical id and message of each problem of a template's state machines."""
    messages = []
    for logical_id, definition in definitions(template):
        if definition is None:
            messages.append((logical_id, "its definition is in S3, where no check reads it; put it into the template"))
            continue
        try:
            json.loads(definition)
        except ValueError as error:
            messages.append((logical_id, f"its definition is not JSON: {error}"))
            continue
        messages += [(logical_id, message) for message in _asl_messages(definition)]
    return messages


def _asl_messages(definition: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "definition.json")
        file.write_text(definition, encoding="utf-8")
        status, output = run(
            ["asl-validator", "--json-path", str(file)], timeout_seconds=_TIMEOUT_SECONDS, variables=os.environ
        )
    if status == 0:
        return []
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    messages = [line for line in lines if _MESSAGE.match(line)]
    return messages or lines or [f"asl-validator exits {status}"]


def _resolved(value: object) -> object:
    """Replace the values that exist only after deployment in a definition that is written as an object."""
    match value:
        case (
            {"Ref": _, **others} | {"Fn::GetAtt": _, **others} | {"Fn::Join": _, **others} | {"Fn::Sub": _, **others}
        ) if not others:
            return text_of(value)
        case dict():
            return {key: _resolved(item) for key, item in value.items()}
        case list():
            return [_resolved(item) for item in value]
        case _:
            return value
