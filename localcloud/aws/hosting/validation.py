"""Request validation by botocore's service model: botocore's own checks, and the enums, ranges and patterns that it skips."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
from botocore.validate import ParamValidator
from moto.sagemaker.exceptions import ValidationError

__all__ = ["ValidationError", "check", "coerce", "operation", "pick", "service"]

Shape = Any  # botocore's shapes: their stubs do not know that members, value and enum go with the type name
_NUMBERS = ("integer", "long", "float", "double")


@functools.cache
def service(name: str = "sagemaker") -> Any:
    """Service model that ships with botocore."""
    return botocore.session.get_session().get_service_model(name)


def operation(name: str) -> Any:
    """Model of a SageMaker operation."""
    return service().operation_model(name)


def check(name: str, params: Mapping[str, Any]) -> None:
    """Refuse malformed parameters as the service does, with every problem in one ValidationError."""
    shape = operation(name).input_shape
    report = ParamValidator().validate(params, shape)
    problems = [report.generate_report()] if report.has_errors() else list(_constraints(shape, params, ""))
    if problems:
        noun = "error" if len(problems) == 1 else "errors"
        raise ValidationError(f"{len(problems)} validation {noun} detected: " + "; ".join(problems))


def coerce(shape: Shape, value: Any) -> Any:
    """Convert scalars to the types of the API: CloudFormation accepts "1" for 1 and "true" for true, the API does not."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return {key: coerce(shape.members[key], item) if key in shape.members else item for key, item in value.items()}
    if kind == "list" and isinstance(value, list):
        return [coerce(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: coerce(shape.value, item) for key, item in value.items()}
    return _scalar(kind, value)


def _scalar(kind: str, value: Any) -> Any:
    if kind == "boolean" and isinstance(value, str):
        return value == "true"
    if kind in _NUMBERS and isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return int(value) if kind in ("integer", "long") else float(value)
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def pick(shape: Shape, record: Mapping[str, Any]) -> dict[str, Any]:
    """Members of a record that a response shape has."""
    return {key: record[key] for key in shape.members if record.get(key) is not None}


def _constraints(shape: Shape, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    if kind == "structure":
        for key, item in value.items():
            yield from _constraints(shape.members[key], item, f"{path}.{key}".lstrip("."))
    elif kind == "list":
        yield from _bounds(shape, len(value), path, "length")
        for index, item in enumerate(value):
            yield from _constraints(shape.member, item, f"{path}[{index}]")
    elif kind == "map":
        yield from _bounds(shape, len(value), path, "length")
        for key, item in value.items():
            yield from _constraints(shape.key, key, f"{path}.{key}")
            yield from _constraints(shape.value, item, f"{path}.{key}")
    elif kind == "string":
        yield from _text(shape, value, path)
    elif kind in _NUMBERS:
        yield from _bounds(shape, value, path, "value")


def _text(shape: Shape, value: str, path: str) -> Iterator[str]:
    yield from _bounds(shape, len(value), path, "length")
    if shape.enum and value not in shape.enum:
        yield (
            f"Value '{value}' at '{path}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        )
    pattern = shape.metadata.get("pattern")
    if pattern and not _matches(pattern, value):
        yield (
            f"Value '{value}' at '{path}' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {pattern}"
        )


def _bounds(shape: Shape, size: float, path: str, what: str) -> Iterator[str]:
    lowest, highest = shape.metadata.get("min"), shape.metadata.get("max")
    if lowest is not None and size < lowest:
        yield f"{what} {size} at '{path}' failed to satisfy constraint: Member must be greater than or equal to {lowest}"
    if highest is not None and size > highest:
        yield f"{what} {size} at '{path}' failed to satisfy constraint: Member must be less than or equal to {highest}"


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:  # Java's character classes, such as \p{L}, which Python's re lacks
        return True
