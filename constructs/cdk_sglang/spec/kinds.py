"""Kinds of values that several specifications hold: what each looks like, and what to say when it does not.

Each kind carries its part of the JSON Schema too, so that an editor complains about the same values as the validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

from pydantic import AfterValidator, WithJsonSchema

from cdk_sglang.hardware import GpuInstance
from cdk_sglang.hardware.instances import unknown_type


def matching(pattern: str, words: str, *, max_length: int | None = None) -> tuple[AfterValidator, WithJsonSchema]:
    """Return the annotations of a text that matches a pattern as a whole.

    Args:
        pattern: Regular expression that Python and JSON Schema both understand.
        words: The values allowed, for the message, such as "12 digits in quotes".
        max_length: Most characters; no limit by default.
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
    """Return the annotations of a text or number that is one of a list.

    Args:
        values: The values allowed; all texts or all numbers.
        unknown: Returns the message for any other value.
    """

    def check(value: Any) -> Any:  # noqa: ANN401  text or number
        if value not in values:
            raise ValueError(unknown(value))
        return value

    kind = "string" if isinstance(values[0], str) else "integer"
    return AfterValidator(check), WithJsonSchema({"type": kind, "enum": list(values)})


NAME_PATTERN: Final = r"[a-z](-?[a-z0-9])*"
NAME_WORDS: Final = "lower-case letters, digits and single hyphens, starting with a letter"
NAME_MAX_LENGTH: Final = 40

Name = Annotated[str, *matching(NAME_PATTERN, NAME_WORDS, max_length=NAME_MAX_LENGTH)]
"""Name of an environment, endpoint, component, adapter or schedule: part of AWS names."""

InstanceType = Annotated[str, *one_of(tuple(instance.name for instance in GpuInstance.all()), unknown_type)]
"""Name of one of the GPU instance types that SageMaker hosts on."""


def unique(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return a list in which everything is named once.

    Raises:
        ValueError: A value is listed more than once.
    """
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{', '.join(repeated)} is listed more than once; name each once")
    return values
