"""A documented decision that the alarms of an endpoint notify nobody."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema

from cdk_sglang.validation import Spec

_REASON_MAX_LENGTH: Final = 500


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason:
        raise ValueError("no reason given; say why nobody is notified, or give a topic")
    if len(reason) > _REASON_MAX_LENGTH:
        raise ValueError(f"has {len(reason)} characters; use {_REASON_MAX_LENGTH} or fewer")
    return reason


SilenceReason = Annotated[
    str,
    AfterValidator(_reason),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _REASON_MAX_LENGTH}),
]
"""Why alarms notify nobody."""


class NoAlarms(Spec):
    """Alarms of the endpoint notify nobody."""

    _noun = "alarms"

    reason: SilenceReason
    """Why nobody is notified; written into the template next to every alarm that has no action."""
