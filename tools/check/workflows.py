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

_TYPE: Final = "AWS::StepFunctions::StateMachine"
_UNKNOWN: Final = "arn:aws:states:us-east-1:111122223333:placeholder:unknown"
"""Stands for a value that exists only after deployment. An ARN, since that is what definitions refer to."""

_SUBSTITUTION: Final = re.compile(r"\$\{([^}]+)\}")
_MESSAGE: Final = re.compile(r"[A-Z_]+: ")
_TIMEOUT_SECONDS: Final = 60


def definitions(template: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield logical id and definition, as JSON text, of each state machine; None where it lies in S3."""
    for logical_id, resource in template.get("Resources", {}).items():
        if resource.get("Type") != _TYPE:
            continue
        properties = resource.get("Properties", {})
        substitutions = properties.get("DefinitionSubstitutions", {})
        if "DefinitionString" in properties:
            yield logical_id, _substituted(_text(properties["DefinitionString"]), substitutions)
        elif "Definition" in properties:
            yield logical_id, _substituted(json.dumps(_resolved(properties["Definition"])), substitutions)
        else:
            yield logical_id, None


def findings(template: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return logical id and message of everything wrong in the state machines of a template."""
    found = []
    for logical_id, definition in definitions(template):
        if definition is None:
            found.append((logical_id, "its definition lies in S3, where no check reads it; put it into the template"))
            continue
        try:
            json.loads(definition)
        except ValueError as error:
            found.append((logical_id, f"its definition is not JSON: {error}"))
            continue
        found += [(logical_id, message) for message in _asl_messages(definition)]
    return found


def _asl_messages(definition: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "definition.json")
        file.write_text(definition, encoding="utf-8")
        status, said = run(
            ["asl-validator", "--json-path", str(file)], timeout_seconds=_TIMEOUT_SECONDS, variables=os.environ
        )
    if status == 0:
        return []
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    coded = [line for line in lines if _MESSAGE.match(line)]
    return coded or lines or [f"asl-validator exits {status}"]


def _text(value: object) -> str:
    """Write a string of a template as it will be after deployment, with a placeholder for what is not known before."""
    match value:
        case str():
            return value
        case {"Fn::Join": [str() as separator, [*parts]]}:
            return separator.join(_text(part) for part in parts)
        case {"Fn::Sub": str() as text}:
            return _substituted(text, {})
        case {"Fn::Sub": [str() as text, dict() as substitutions]}:
            return _substituted(text, substitutions)
        case {"Ref": "AWS::Partition"}:
            return "aws"
        case _:
            return _UNKNOWN


def _substituted(text: str, substitutions: Mapping[str, Any]) -> str:
    def replacement(found: re.Match[str]) -> str:
        name = found[1]
        if name in substitutions:
            return json.dumps(_text(substitutions[name]))[1:-1]
        return "aws" if name == "AWS::Partition" else _UNKNOWN

    return _SUBSTITUTION.sub(replacement, text)


def _resolved(value: object) -> object:
    """Replace what exists only after deployment in a definition that is written as an object."""
    match value:
        case (
            {"Ref": _, **others} | {"Fn::GetAtt": _, **others} | {"Fn::Join": _, **others} | {"Fn::Sub": _, **others}
        ) if not others:
            return _text(value)
        case dict():
            return {key: _resolved(item) for key, item in value.items()}
        case list():
            return [_resolved(item) for item in value]
        case _:
            return value
