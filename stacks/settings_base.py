"""What every class of settings is: a specification of the app's own."""

from __future__ import annotations

from pydantic import JsonValue

from cdk_sglang.validation import Spec


class Settings(Spec):
    """A part of an environment."""


def exactly_one_of(*fields: str) -> dict[str, JsonValue]:
    """Say to editors what a validator says to the app; without this, JSON Schema would take none or all."""
    return {"oneOf": [{"required": [field]} for field in fields]}
