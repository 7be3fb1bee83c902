"""The request before a run, which wakes a component."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdk_sglang.benchmarking.target import Target


class NoAnswerError(Exception):
    """A component does not answer, so nothing can be measured."""


def seconds_until_answer(target: Target, *, wait_seconds: float) -> float:
    """Ask one short question; return the seconds until the answer.

    Args:
        target: The component.
        wait_seconds: Seconds to wait for a copy.

    Raises:
        NoAnswerError: There is no answer within that time.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from cdk_sglang.client import InferenceClient, InferenceClientError, ProgressLine, Wait

    start = time.monotonic()
    try:
        with InferenceClient(
            target.endpoint_name,
            target.component_name,
            region=target.region,
            wait=Wait(up_to_seconds=wait_seconds),
            on_progress=ProgressLine(),
        ) as client:
            client.chat([{"role": "user", "content": "hello"}], max_tokens=1)
    except (InferenceClientError, ClientError, BotoCoreError) as error:
        text = f"{target.component_name} does not answer, so nothing was measured: {error}"
        raise NoAnswerError(text) from error
    return time.monotonic() - start
