"""Check a tool's arguments against its schema: the schemas of AgentCore's gateway support no patterns, lengths or enumerations.

Supports a subset of JSON Schema (draft 2020-12) for objects of strings: a function without dependencies starts in a fraction of the time.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).with_name("tools.json")
SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    tool["name"]: tool["inputSchema"] for tool in json.loads(_FILE.read_text(encoding="utf-8"))["tools"]
}
"""Schema of the arguments of every tool, by tool name; the gateway's target is created from the same file."""


def problems_of(tool: str, arguments: object) -> list[str]:
    """Return what is wrong with the arguments of a tool; values are never repeated, since they may be about a patient.

    Args:
        tool: Name of the tool, one of `SCHEMAS`.
        arguments: What the caller sent.
    """
    schema = SCHEMAS[tool]
    if not isinstance(arguments, dict):
        return [f"{tool}: an object is expected"]
    properties = schema["properties"]
    problems = [f"{name}: missing" for name in schema["required"] if name not in arguments]
    problems += [f"unknown argument; use {', '.join(properties)}" for name in arguments if name not in properties]
    for name, rule in properties.items():
        if name in arguments and (mistake := _mistake(rule, arguments[name])) is not None:
            problems.append(f"{name}: {mistake}")
    return problems


def _mistake(rule: dict[str, Any], value: object) -> str | None:
    if not isinstance(value, str):
        return "a text is expected"
    if "enum" in rule and value not in rule["enum"]:
        return f"use one of {', '.join(rule['enum'])}"
    if len(value) < rule.get("minLength", 0):
        return f"use {rule['minLength']} characters or more"
    if len(value) > rule.get("maxLength", len(value)):
        return f"has {len(value)} characters; use {rule['maxLength']} or fewer"
    # fullmatch: `$` would also accept a line break at the end
    if "pattern" in rule and not re.fullmatch(rule["pattern"], value):
        return f"does not match {rule['pattern']}"
    return None
