"""Answers of both model routes: tool calls are assembled, and those with malformed arguments are recorded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any


async def checked(chunks: AsyncIterator[Any], malformed: set[str]) -> AsyncIterator[Any]:
    """Pass on an answer with each tool call's arguments in one piece; record the calls whose arguments are not a JSON object.

    Strands logs such arguments and calls the tool without any; here the call reaches the tools without arguments, and they refuse it by its id.

    Args:
        chunks: Strands' chunks.
        malformed: Ids of such calls are added to it.
    """
    call, arguments = "", ""
    async for chunk in chunks:
        start = (
            chunk.get("contentBlockStart", {}).get("start", {}).get("toolUse") if "contentBlockStart" in chunk else None
        )
        if start:
            call, arguments = start["toolUseId"], ""
            yield chunk
        elif call and "contentBlockDelta" in chunk:
            arguments += chunk["contentBlockDelta"]["delta"].get("toolUse", {}).get("input", "")
        elif call and "contentBlockStop" in chunk:
            if not _is_object(arguments):
                malformed.add(call)
                arguments = "{}"
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": arguments}}}}
            yield chunk
            call = ""
        else:
            yield chunk


def _is_object(arguments: str) -> bool:
    if not arguments.strip():
        return True
    try:
        return isinstance(json.loads(arguments), dict)
    except ValueError:
        return False
