"""A documented decision to skip the check that a model runs on its GPUs."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

from cdk_sglang.validation import Spec

_REASON_MAX_LENGTH: Final = 500


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason:
        raise ValueError(
            "no reason given; say why the model runs although the plan says it does not, or leave the check on"
        )
    if len(reason) > _REASON_MAX_LENGTH:
        raise ValueError(f"has {len(reason)} characters; use {_REASON_MAX_LENGTH} or fewer")
    return reason


class NoFitCheck(Spec):
    """Deploy a component although the plan says that it does not run, or cannot tell. The plan shows the reason."""

    _noun = "fit_check"

    reason: Annotated[
        str,
        AfterValidator(_reason),
        WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _REASON_MAX_LENGTH}),
    ] = Field(validation_alias="none", serialization_alias="none")
    """Why the model is expected to run nevertheless, for example a measurement of the same model on the same GPUs."""
