"""Specifications with several fields of which exactly one is given, such as the three locations of a model."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import GetJsonSchemaHandler, JsonValue, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cdk_sglang.validation import Spec
from cdk_sglang.wording import exactly_one


def exactly_one_of(*fields: str) -> dict[str, JsonValue]:
    """Return the validator's rule as JSON Schema, so that an editor also rejects none or several of the fields."""
    return {"oneOf": [{"required": [field]} for field in fields]}


class OneOf(Spec):
    """A specification with fields of which exactly one is given; the others are None."""

    _alternatives: ClassVar[tuple[str, ...]]
    """Names of those fields."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        present_names = [name for name in self._alternatives if getattr(self, name) is not None]
        if len(present_names) != 1:
            raise ValueError(exactly_one(self._alternatives, present_names))
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Add the rule to the schema of the fields."""
        written = super().__get_pydantic_json_schema__(schema, handler)
        handler.resolve_ref_schema(written).update(exactly_one_of(*cls._alternatives))
        return written
