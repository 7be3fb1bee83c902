"""Values that CDK knows only at deployment, in the encoding in which a specification receives them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from pydantic import WrapValidator

_NUMBER_TOKEN_BELOW: Final = -1e280
"""CDK encodes a number that is known only at deployment as one below this (aws_cdk.Token.as_number, aws-cdk-lib 2.275.0)."""
_TEXT_TOKEN: Final = re.compile(r"[$#]\{Token\[")
"""How CDK encodes a text, and the only item of a list, that is known only at deployment."""


def is_number_token(value: object) -> bool:
    """Whether a number is known only at deployment."""
    return isinstance(value, int | float) and value < _NUMBER_TOKEN_BELOW


def is_text_token(value: object) -> bool:
    """Whether a text contains something that is known only at deployment."""
    return isinstance(value, str) and _TEXT_TOKEN.search(value) is not None


def is_token(value: object) -> bool:
    """Whether a text or a number is, or contains, something that is known only at deployment."""
    return is_text_token(value) or is_number_token(value)


def _token_or_valid(value: Any, validate: Callable[[Any], Any]) -> Any:
    return value if is_number_token(value) else validate(value)


OrToken: Final = WrapValidator(_token_or_valid)
"""Lets a number that is known only at deployment pass the bounds of a field: `Annotated[int, Field(ge=1), OrToken]`."""
