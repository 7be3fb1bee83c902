"""What every class of settings is: frozen, strict, and closed to unknown keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue


class Settings(BaseModel):
    """A part of an environment."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, strict=True, allow_inf_nan=False
    )


def exactly_one_of(*fields: str) -> dict[str, JsonValue]:
    """Say to editors what a validator says to the app; without this, JSON Schema would take none or all."""
    return {"oneOf": [{"required": [field]} for field in fields]}
