"""Types of values that several specifications share: their format, and the message for a value that does not match.

Each type also carries its part of the JSON Schema, so that an editor flags the same values as the validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    GetPydanticSchema,
    PlainSerializer,
    WithJsonSchema,
    WrapValidator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.hardware.instances import unknown_type
from cdk_sglang.tokens import is_text_token


def matching(pattern: str, words: str, *, max_length: int | None = None) -> tuple[AfterValidator, WithJsonSchema]:
    """Return the annotations of a string that must fully match a pattern.

    Args:
        pattern: Regular expression that Python and JSON Schema both understand.
        words: Description of the allowed values for the message, such as "12 digits in quotes".
        max_length: Maximum number of characters; no limit by default.
    """
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if max_length is not None and len(value) > max_length:
            raise ValueError(f"{value!r} has {len(value)} characters; use {max_length} or fewer")
        if not compiled.fullmatch(value):
            raise ValueError(f"{value!r} is not allowed; use {words}")
        return value

    schema: dict[str, Any] = {"type": "string", "pattern": f"^{pattern}$"}
    return AfterValidator(check), WithJsonSchema(schema if max_length is None else {**schema, "maxLength": max_length})


def one_of(
    values: Sequence[str] | Sequence[int], unknown: Callable[[Any], str]
) -> tuple[AfterValidator, WithJsonSchema]:
    """Return the annotations of a string or number that must be one of a list.

    Args:
        values: The allowed values; all strings or all numbers.
        unknown: Returns the message for any other value.
    """

    def check(value: Any) -> Any:
        if value not in values:
            raise ValueError(unknown(value))
        return value

    kind = "string" if isinstance(values[0], str) else "integer"
    return AfterValidator(check), WithJsonSchema({"type": kind, "enum": list(values)})


NAME_PATTERN: Final = r"[a-z](-?[a-z0-9])*"
NAME_WORDS: Final = "lower-case letters, digits and single hyphens, starting with a letter"
NAME_MAX_LENGTH: Final = 40

Name = Annotated[str, *matching(NAME_PATTERN, NAME_WORDS, max_length=NAME_MAX_LENGTH)]
"""Name of an environment, endpoint, component, adapter or schedule; used as part of AWS resource names."""

_INSTANCE_TYPES: Final = tuple(instance.name for instance in GpuInstance.all())

InstanceType = Annotated[str, *one_of(_INSTANCE_TYPES, unknown_type)]
"""Name of a GPU instance type that SageMaker hosting supports."""
InstanceName = Annotated[str, WithJsonSchema({"type": "string", "enum": list(_INSTANCE_TYPES)})]
"""Name of an instance type that is compared with those of an endpoint, which may include types that the author describes."""


def _instance(value: object, validate: Callable[[object], str]) -> GpuInstance:
    if isinstance(value, GpuInstance):
        return value
    name = validate(value)
    if is_text_token(name):
        raise ValueError("must be known at synth, got a token; give the instance type itself")
    return GpuInstance.named(name)


Instance = Annotated[
    GpuInstance,
    GetPydanticSchema(lambda _source, _handler: core_schema.str_schema()),
    WrapValidator(_instance),
    PlainSerializer(lambda instance: instance.name, return_type=str),
    WithJsonSchema({"type": "string", "enum": list(_INSTANCE_TYPES)}),
]
"""GPU instance type: a name, or a `GpuInstance`, which may describe a type that this version does not know."""


@dataclass(frozen=True)
class Count:
    """How many items a list takes. Pydantic's own bounds would also report invalid items as missing.

    Args:
        low: Minimum number of items.
        high: Maximum number of items.
        items: What the items are, for the message, such as "security groups".
    """

    low: int
    high: int
    items: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Check the number of items once all of them are valid."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the bounds to the JSON Schema for editors."""
        return {**handler(schema), "minItems": self.low, "maxItems": self.high}

    def _check(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self.low <= len(items) <= self.high:
            raise ValueError(f"takes {self.low} to {self.high} {self.items}, got {len(items)}; change the list")
        return items


def unique(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the list unchanged if it has no duplicates.

    Raises:
        ValueError: A value is listed more than once.
    """
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{', '.join(repeated)} is listed more than once; name each once")
    return values
