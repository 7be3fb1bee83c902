"""CloudFormation's registry schemas, as cfn-lint ships them: valid properties, and which changes replace a resource."""

from __future__ import annotations

import copy
import functools
import re
from typing import Any

import jsonschema
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError
from moto.sagemaker.exceptions import ValidationError

_REGION = "us-east-1"
_MOST_PROBLEMS = 5


@functools.cache
def schema(type_name: str) -> dict[str, Any] | None:
    """Registry schema of a type; None for a type that the registry does not know."""
    try:
        found = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_REGION, type_name).schema
    except ResourceNotFoundError:
        return None
    usable: dict[str, Any] = _usable(copy.deepcopy(found))
    return usable


def check(type_name: str, properties: dict[str, Any], *, known: bool = False) -> None:
    """Refuse properties that the registry schema does not allow; custom resources have none.

    Args:
        type_name: Resource type.
        properties: Its properties.
        known: Whether the type exists although the registry has no schema for it.
    """
    if type_name.startswith("Custom::"):
        return
    found = schema(type_name)
    if found is None and known:
        return
    if found is None:
        raise ValidationError(f"Template format error: Unrecognized resource types: [{type_name}]")
    errors = sorted(
        _validator(type_name).iter_errors(properties), key=lambda error: list(map(str, error.absolute_path))
    )
    if errors:
        lines = [f"#/{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in errors[:_MOST_PROBLEMS]]
        raise ValidationError(f"Model validation failed ({'; '.join(lines)})")


def top_level(type_name: str, key: str) -> list[str]:
    """Top-level properties in one of the schema's lists, for example createOnlyProperties."""
    found = schema(type_name) or {}
    return [path.split("/")[2] for path in found.get(key) or [] if path.startswith("/properties/")]


def read_only(type_name: str) -> list[str]:
    """Attributes of a type, with dots as in Fn::GetAtt."""
    found = schema(type_name) or {}
    return [path.removeprefix("/properties/").replace("/", ".") for path in found.get("readOnlyProperties") or []]


@functools.cache
def _validator(type_name: str) -> Any:
    found = schema(type_name)
    base = jsonschema.Draft7Validator
    checker = base.TYPE_CHECKER
    for name, pattern in (("integer", r"-?\d+"), ("number", r"-?\d+(\.\d+)?"), ("boolean", "true|false")):
        checker = checker.redefine(name, _lenient(base.TYPE_CHECKER, name, pattern))
    checker = checker.redefine("string", lambda _, value: isinstance(value, str | int | float))
    bounds = {name: _numeric(base.VALIDATORS[name]) for name in ("minimum", "maximum")}
    return jsonschema.validators.extend(base, bounds, type_checker=checker)(found)


def _numeric(rule: Any) -> Any:
    """Apply a bound to numbers that are written as text, too."""

    def check(validator: Any, bound: Any, value: Any, node: Any) -> Any:
        numeric = isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value)
        return rule(validator, bound, float(value) if numeric else value, node)

    return check


def _lenient(strict: Any, name: str, pattern: str) -> Any:
    def holds(_: Any, value: Any) -> bool:
        return strict.is_type(value, name) or (isinstance(value, str) and re.fullmatch(pattern, value) is not None)

    return holds


def _usable(node: Any) -> Any:
    """Drop patterns that Python cannot compile, so that the rest of the schema still applies."""
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str) and not _compiles(node["pattern"]):
            del node["pattern"]
        by_key = node.get("patternProperties")
        if isinstance(by_key, dict) and not all(map(_compiles, by_key)):
            del node["patternProperties"]
            node.pop("additionalProperties", None)
        for item in node.values():
            _usable(item)
    elif isinstance(node, list):
        for item in node:
            _usable(item)
    return node


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
