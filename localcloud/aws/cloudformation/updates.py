"""Parameters of a template, and what an update changes: new values, previous values, and what a template allows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from moto.cloudformation import models
from moto.cloudformation.exceptions import ValidationError

_SSM = "AWS::SSM::Parameter::Value"


def parameters_of(template: str, parameters: list[dict[str, Any]], *, previous: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve the parameters of a template that are passed with it; previous values may have been defaults of the previous template.

    Args:
        template: The template.
        parameters: The parameters as the API takes them.
        previous: Values of the stack's parameters, empty before its creation.

    Raises:
        ValidationError: A parameter is unknown, has no value, or has one that the template does not allow.
    """
    slots = models.Stack.parse_template(template).get("Parameters", {})
    unknown = sorted(one["ParameterKey"] for one in parameters if one["ParameterKey"] not in slots)
    if unknown:
        raise ValidationError(message=f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    resolved = {one["ParameterKey"]: one["ParameterValue"] for one in parameters if "ParameterValue" in one}
    for key in (one["ParameterKey"] for one in parameters if one.get("UsePreviousValue")):
        if key not in previous:
            message = (
                f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true for a parameter key not in the "
                "previous template"
            )
            raise ValidationError(message=message)
        resolved[key] = previous[key]
    missing = sorted(key for key, slot in slots.items() if key not in resolved and "Default" not in slot)
    if missing:
        raise ValidationError(message=f"Parameters: [{', '.join(missing)}] must have values")
    for key, value in resolved.items():
        _check_value(key, value, slots[key])
    return resolved


def _check_value(key: str, value: Any, slot: Mapping[str, Any]) -> None:
    pattern, allowed = slot.get("AllowedPattern"), slot.get("AllowedValues")
    if pattern and not re.fullmatch(pattern, str(value)):
        reason = slot.get("ConstraintDescription") or f"must match pattern {pattern}"
        raise ValidationError(message=f"Parameter {key} failed to satisfy constraint: {reason}")
    if allowed and str(value) not in map(str, allowed):
        raise ValidationError(message=f"Parameter '{key}' must be one of AllowedValues")


def changes_anything(stack: Any, template: str, parameters: Mapping[str, Any], tags: Mapping[str, str] | None) -> bool:
    """Whether an update would change template, parameters, what is read from Parameter Store, or tags.

    Args:
        stack: The stack.
        template: Its next template.
        parameters: The next values that the template's defaults do not give.
        tags: Its next tags; None or an empty list keeps the current ones.
    """
    parsed = models.Stack.parse_template(template)
    slots = parsed.get("Parameters", {})
    after = {key: slot.get("Default") for key, slot in slots.items()} | dict(parameters)
    if parsed != models.Stack.parse_template(stack.template) or after != stack.stack_parameters:
        return True
    resources = stack.resource_map
    return bool(tags and dict(tags) != stack.tags) or any(
        resources.parse_ssm_parameter(after[key], slot["Type"]) != resources.resolved_parameters.get(key)
        for key, slot in slots.items()
        if slot["Type"].startswith(_SSM)
    )
