"""The message of `ask` and `chat` for a component that does not chat."""

from __future__ import annotations

import re
from typing import Final

_METHODS: Final = {"embedding": "embed(texts)", "rerank": "rerank(query, documents)", "classify": "classify(texts)"}
_NO_CHAT: Final = re.compile(rf"task is ({'|'.join(_METHODS)}), so it takes no messages")
"""The serving container's words (container/cdk_sglang_container/tasks.py)."""


def other_task(error: str) -> str | None:
    """Return what to use instead, when the serving container says that its component does not chat; None for any other error.

    Args:
        error: The error's text.
    """
    task = _NO_CHAT.search(error)
    if task is None:
        return None
    return f"the component does not chat, its task is {task[1]}; call InferenceClient.{_METHODS[task[1]]} of cdk_sglang.client"
