"""AgentCore's HTTP protocol around the turns: input is checked, and output is one of the events in docs/agent.md."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from bedrock_agentcore import BedrockAgentCoreApp, RequestContext

from intake import identity, telemetry
from intake.errors import TurnError, describe
from intake.settings import Settings

if TYPE_CHECKING:
    from intake.session import Sessions

PROMPT_BYTES: Final = 32 * 1024
"""Maximum length of a message: about a turn's token budget, or ten pages of text."""
_KEY: Final = re.compile(r"[A-Za-z0-9-]{8,64}")
_LOCAL_SESSION: Final = "local-session-without-an-id-of-its-own"

app = BedrockAgentCoreApp()


@cache
def _sessions() -> Sessions:
    """Load Strands with the first request: the server listens before that, since a runtime has 30 s to start."""
    from intake.session import Sessions

    return Sessions()


@app.entrypoint
async def invoke(payload: Any, context: RequestContext) -> AsyncIterator[dict[str, Any]]:
    """Answer one message.

    Args:
        payload: `{"prompt": "…", "idempotency_key"?: "…"}`.
        context: Session id and headers of the request.

    Yields:
        Events; the last is `done`.
    """
    try:
        settings = Settings.read(os.environ)
        prompt, key = _checked(payload)
        session_id = context.session_id or _LOCAL_SESSION
        telemetry.session.set(session_id)
        session = _sessions().get(session_id, identity.actor(context.request_headers), settings)
        async for event in session.answer(prompt, key):
            yield event
    except Exception as error:  # noqa: BLE001  the SDK would send its text
        yield describe(error).event()
        yield {
            "type": "done",
            "stop_reason": "error",
            "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
        }


def _checked(payload: Any) -> tuple[str, str]:
    if not isinstance(payload, dict) or not isinstance(payload.get("prompt"), str) or not payload["prompt"].strip():
        raise TurnError("invalid_request", 'The request has no message; send {"prompt": "…"}.')
    prompt: str = payload["prompt"]
    size = len(prompt.encode())
    if size > PROMPT_BYTES:
        raise TurnError(
            "prompt_too_long",
            f"The message has {size:,} bytes, and {PROMPT_BYTES:,} are allowed. Send the part that matters, or several messages.",
        )
    key = payload.get("idempotency_key", "")
    if key and not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise TurnError("invalid_request", "The idempotency_key must be 8 to 64 letters, digits or hyphens.")
    return prompt, key
