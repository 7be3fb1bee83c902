"""Identity of the user, from what AgentCore has verified; never from the payload."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from intake.errors import TurnError

USER_HEADER: Final = "x-amzn-bedrock-agentcore-runtime-custom-user"
"""Header in which an IAM caller (a hospital's own application) names its user; allow-listed by the stack if the runtime's authorizer is IAM."""
ANYBODY: Final = "caller"


def actor(headers: Mapping[str, str] | None) -> str:
    """Return an id of the user that reveals nothing about the user.

    A bearer token is read without a check of its signature: the runtime passes the header on only after its JWT authorizer has checked it. If both
    headers are present, the token counts.

    Args:
        headers: Headers that the runtime passes on.

    Returns:
        A digest of issuer and subject, or of the named user; `caller` if nobody is named.

    Raises:
        TurnError: The token is not valid.
    """
    by_name = {name.lower(): value for name, value in (headers or {}).items()}
    scheme, _, token = by_name.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _digest(_subject(token))
    named = by_name.get(USER_HEADER, "")
    return _digest(named) if named else ANYBODY


def _subject(token: str) -> str:
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return f"{claims.get('iss', '')} {claims['sub']}"
    except (ValueError, IndexError, KeyError, TypeError, AttributeError):
        raise TurnError("unauthorised", "The access token names no user. Sign in again.") from None


def _digest(text: str) -> str:
    return f"user-{sha256(text.encode()).hexdigest()[:32]}"
