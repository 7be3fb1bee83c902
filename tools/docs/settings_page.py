"""The settings reference: every field of an environment file, from environments/schema.json."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from tools.docs.tables import cell, code, table

Schema = dict[str, Any]

_INTRODUCTION: Final = """---
hide: [navigation]
---

# Settings

An environment is one file, `environments/<name>.yaml`. This page lists every field of it. The same text appears in an editor with a YAML language server, which reads
`environments/schema.json`. A field marked *required* must be given, and
a field that is not listed is an error.
"""
_BOUNDS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} entries",
    "maxProperties": "at most {} entries",
    "pattern": "matches {}",
    "multipleOf": "a multiple of {}",
}
_REFERENCE: Final = "#/$defs/"
_LONG_DEFAULT: Final = 70


def settings_page(schema: Schema) -> str:
    """Return the page of a schema: the environment first, then every type that its fields lead to, in that order.

    Args:
        schema: JSON Schema of an environment.
    """
    sections = [_INTRODUCTION, _section("Environment", schema, schema)]
    sections += [_section(name, schema["$defs"][name], schema) for name in reachable(schema)]
    return "\n".join(sections)


def reachable(schema: Schema) -> list[str]:
    """Return the names of the types below the environment, each once, in the order in which a reader meets them."""
    names: dict[str, None] = {}

    def visit(part: Any) -> None:
        if isinstance(part, dict):
            name = _name(part)
            if name and name not in names:
                names[name] = None
                visit(schema["$defs"][name])
            for key, value in part.items():
                if key != "$defs":
                    visit(value)
        elif isinstance(part, list):
            for item in part:
                visit(item)

    visit(schema)
    return list(names)


def undescribed_fields(schema: Schema) -> list[str]:
    """Return `<type>.<field>` of every field, and `<type>` of every type, that has no description."""
    types = {"Environment": schema, **{name: schema["$defs"][name] for name in reachable(schema)}}
    return [name for name, content in types.items() if not content.get("description")] + [
        f"{name}.{field}"
        for name, content in types.items()
        for field, value in content.get("properties", {}).items()
        if not _description(value, schema)
    ]


def _section(name: str, content: Schema, schema: Schema) -> str:
    required = content.get("required", [])
    rows = []
    for field, value in content.get("properties", {}).items():
        bounds = "; ".join(_bounds(value))
        default = "*required*" if field in required else _default(value)
        rows.append([code(field), _type(value), default, bounds, cell(_description(value, schema))])
    fields = table(("field", "type", "default", "bounds", "what it is"), rows) if rows else ""
    return f"## {name} {{ #{_anchor(name)} }}\n\n{cell(content.get('description', ''))}\n\n{fields}"


def _description(value: Schema, schema: Schema) -> str:
    """Return a field's description, else that of the field's type, which the schema does not repeat."""
    own = value.get("description") or schema.get("$defs", {}).get(_name(value), {}).get("description", "")
    return str(own)


def _anchor(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def _name(value: Schema) -> str:
    reference = value.get("$ref", "")
    return reference.removeprefix(_REFERENCE) if isinstance(reference, str) else ""


def _type(value: Schema) -> str:
    """Return the type of a field as Markdown; a type of its own is a link to its section."""
    if name := _name(value):
        return f"[{name}](#{_anchor(name)})"
    for key in ("anyOf", "oneOf"):
        if key in value:
            choices = (_type(choice) for choice in value[key] if choice.get("type") != "null")
            return " or ".join(dict.fromkeys(choice for choice in choices if choice))
    if choices := value.get("enum", [value["const"]] if "const" in value else []):
        return " or ".join(code(json.dumps(choice).strip('"')) for choice in choices)
    if value.get("type") == "array":
        return f"list of {_type(value.get('items', {}))}"
    return _values(value) if value.get("type") == "object" else str(value.get("format", value.get("type", "any")))


def _values(value: Schema) -> str:
    """Return the type of an object by that of its values."""
    inside = [*value.get("patternProperties", {}).values(), value.get("additionalProperties")]
    values = [_type(part) for part in inside if isinstance(part, dict)]
    return f"name: {values[0]}" if values else "object"


def _bounds(value: Schema) -> list[str]:
    """Return the bounds of a field and of its alternatives, without repeats."""
    bounds = [text.format(code(str(value[key]))) for key, text in _BOUNDS.items() if key in value]
    for key in ("anyOf", "oneOf"):
        bounds += [bound for choice in value.get(key, []) for bound in _bounds(choice)]
    bounds += [f"each {bound}" for bound in (_bounds(value["items"]) if "items" in value else ())]
    names = [*map(code, value.get("patternProperties", {}))]
    bounds += [f"names match {name}" for name in names]
    return list(dict.fromkeys(bounds))


def _default(value: Schema) -> str:
    default = value.get("default")
    if isinstance(default, dict):
        default = {key: part for key, part in default.items() if part not in (None, {}, [])}
    if default in (None, {}, []):
        return ""
    text = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False).replace('"', "")
    return code(text) if len(text) <= _LONG_DEFAULT else f"the defaults of {_type(value)}"
