"""Strings of a template as they will be after deployment, with placeholders for values that exist only then."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

UNKNOWN: Final = "arn:aws:states:us-east-1:111122223333:placeholder:unknown"
"""Placeholder of a value that exists only after deployment. It is an ARN, since definitions refer to ARNs."""

_SUBSTITUTION: Final = re.compile(r"\$\{([^}]+)\}")


def text_of(value: object) -> str:
    """Return a string of a template as it will be after deployment, with placeholders for values not known before."""
    match value:
        case str():
            return value
        case {"Fn::Join": [str() as separator, [*parts]]}:
            return separator.join(text_of(part) for part in parts)
        case {"Fn::Sub": str() as text}:
            return substituted(text, {})
        case {"Fn::Sub": [str() as text, dict() as substitutions]}:
            return substituted(text, substitutions)
        case {"Ref": "AWS::Partition"}:
            return "aws"
        case _:
            return UNKNOWN


def substituted(text: str, substitutions: Mapping[str, Any]) -> str:
    """Return a text with its `${names}` replaced, in JSON's spelling; placeholders for names without a value."""

    def replacement(match: re.Match[str]) -> str:
        name = match[1]
        if name in substitutions:
            return json.dumps(text_of(substitutions[name]))[1:-1]
        return "aws" if name == "AWS::Partition" else UNKNOWN

    return _SUBSTITUTION.sub(replacement, text)
