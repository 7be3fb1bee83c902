"""Parameters of an update: new values, previous values, and what a template allows."""

from __future__ import annotations

import re
from typing import Any

from moto.cloudformation import models
from moto.cloudformation.exceptions import ValidationError


def parameters_of(stack: Any, template: str, given: list[dict[str, Any]]) -> dict[str, Any]:
    """Resolve the parameters of an update; previous values may have been defaults of the previous template.

    Raises:
        ValidationError: A parameter is unknown, has no value, or has one that the template does not allow.
    """
    slots, previous = models.Stack.parse_template(template).get("Parameters", {}), stack.stack_parameters
    unknown = sorted(one["ParameterKey"] for one in given if one["ParameterKey"] not in slots)
    if unknown:
        raise ValidationError(message=f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    resolved = {one["ParameterKey"]: one["ParameterValue"] for one in given if "ParameterValue" in one}
    for key in (one["ParameterKey"] for one in given if one.get("UsePreviousValue")):
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
        pattern = slots[key].get("AllowedPattern")
        if pattern and not re.fullmatch(pattern, str(value)):
            reason = slots[key].get("ConstraintDescription") or f"must match pattern {pattern}"
            raise ValidationError(message=f"Parameter {key} failed to satisfy constraint: {reason}")
    return resolved


def check_changes(stack: Any, template: str, given: list[dict[str, Any]]) -> None:
    """Refuse an update that changes neither template nor parameters; moto compares only what the caller passed."""
    parsed, parameters = models.Stack.parse_template(template), parameters_of(stack, template, given)
    after = {key: slot.get("Default") for key, slot in parsed.get("Parameters", {}).items()} | parameters
    if parsed == models.Stack.parse_template(stack.template) and after == stack.stack_parameters:
        raise ValidationError(stack.name, message="No updates are to be performed.")
