"""Tools as JSON Schema, and the part of it that a gateway supports: type, properties, required, items and description. No CDK.

A gateway has no enum, pattern, length or format (aws-cdk-lib 2.275.0, CfnGatewayTarget.SchemaDefinitionProperty), so these are stated in the
description, where the model reads them; the function that answers checks them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cdk_sglang.agents.names import TOOL_MAX_LENGTH, seen_name
from cdk_sglang.arguments import checked_fields
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*")
_INEXPRESSIBLE: Final = ("$ref", "allOf", "anyOf", "oneOf", "not", "patternProperties", "if")
_ITEM_KEYS: Final = {
    "inputSchema": "inputSchema",
    "input_schema": "inputSchema",
    "outputSchema": "outputSchema",
    "output_schema": "outputSchema",
}


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool.

    Attributes:
        name: Its name, without the target's.
        description: What it does, for the model.
        input_schema: Its arguments, as a gateway stores them.
        output_schema: Its result, as a gateway stores it; None if unspecified.
    """

    name: str
    description: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any] | None = None


def read_tools(path: Path, *, target: str) -> tuple[Tool, ...]:
    """Read the tools of one function.

    Args:
        path: JSON file with a list of tools, or a mapping with such a list under `tools`; each has name, description and inputSchema.
        target: Name of their gateway target.

    Raises:
        ConfigurationError: The file cannot be read, or a tool cannot be expressed; one line per problem.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            [Problem(path, f"cannot be read as JSON: {error}; name a file with a list of tools")]
        ) from None
    items = content.get("tools") if isinstance(content, dict) else content
    if not isinstance(items, list) or not items:
        raise ConfigurationError([Problem(path, "holds no tools; write a list of {name, description, inputSchema}")])
    problems: list[Problem] = []
    tools = [_tool(item, f"[{index}]", target, problems) for index, item in enumerate(items)]
    names = [tool.name for tool in tools]
    problems += [
        Problem("", f"tool {name!r} is listed more than once; rename one")
        for name in sorted({n for n in names if names.count(n) > 1})
    ]
    raise_if_any(problem.under(str(path)) for problem in problems)
    return tuple(tools)


def _tool(item: object, path: str, target: str, problems: list[Problem]) -> Tool:
    fields = {_ITEM_KEYS.get(key, key): value for key, value in item.items()} if isinstance(item, dict) else {}
    name, description = fields.get("name"), fields.get("description")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problems.append(
            Problem(f"{path}.name", f"{name!r} is not allowed; use letters, digits, - and _, a letter first")
        )
        name = "tool"
    elif len(seen_name(target, name)) > TOOL_MAX_LENGTH:
        full_name = seen_name(target, name)
        problems.append(
            Problem(
                f"{path}.name",
                f"models would see {full_name!r} with {len(full_name)} characters; {TOOL_MAX_LENGTH} are allowed: shorten it",
            )
        )
    if not isinstance(description, str) or not description.strip():
        problems.append(
            Problem(f"{path}.description", "missing; say what the tool does, since the model chooses by it")
        )
        description = ""
    schema = fields.get("inputSchema")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        problems.append(
            Problem(f"{path}.inputSchema", "missing or not an object; write {type: object, properties: {…}}")
        )
        schema = {"type": "object"}
    output = fields.get("outputSchema")
    return Tool(
        name=name,
        description=description,
        input_schema=_expressed(schema, f"{path}.inputSchema", problems),
        output_schema=_expressed(output, f"{path}.outputSchema", problems) if isinstance(output, dict) else None,
    )


def _expressed(schema: Mapping[str, Any], path: str, problems: list[Problem]) -> dict[str, Any]:
    """Convert a schema to the keywords that a gateway supports."""
    kind = schema.get("type")
    words = "a gateway does not support this keyword; write out type, properties, required and items"
    problems += [Problem(f"{path}.{word}", words) for word in _INEXPRESSIBLE if word in schema]
    if kind not in _TYPES:
        problems.append(Problem(f"{path}.type", f"{kind!r} is not allowed; use one of {', '.join(_TYPES)}"))
        kind = "string"
    expressed: dict[str, Any] = {"type": kind}
    texts = (str(schema.get("description", "")).strip(), *_constraints(schema))
    if any(texts):
        expressed["description"] = " ".join(filter(None, texts))
    properties = schema.get("properties")
    if isinstance(properties, dict):
        expressed["properties"] = {
            name: _expressed(value if isinstance(value, dict) else {}, f"{path}.properties.{name}", problems)
            for name, value in properties.items()
        }
    required = schema.get("required", [])
    unknown = [name for name in required if name not in expressed.get("properties", {})]
    problems += [
        Problem(f"{path}.required", f"{name!r} is not one of its properties; add it, or remove it here")
        for name in unknown
    ]
    if required:
        expressed["required"] = list(required)
    if isinstance(schema.get("items"), dict):
        expressed["items"] = _expressed(schema["items"], f"{path}.items", problems)
    return expressed


def _constraints(schema: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in schema:
        yield f"One of: {', '.join(str(value) for value in schema['enum'])}."
    if "const" in schema:
        yield f"Always: {schema['const']}."
    for what, low, high in (
        ("characters", "minLength", "maxLength"),
        ("items", "minItems", "maxItems"),
        ("", "minimum", "maximum"),
    ):
        bounds = _bounds(schema.get(low), schema.get(high))
        if bounds:
            yield f"{bounds} {what}".strip() + "."
    if "format" in schema:
        yield f"Format: {schema['format']}."
    if "pattern" in schema:
        yield f"Matches {schema['pattern']}"


def _bounds(low: object, high: object) -> str:
    if low is not None and high is not None:
        return f"{low} to {high}"
    if low is not None:
        return f"At least {low}"
    return "" if high is None else f"At most {high}"
