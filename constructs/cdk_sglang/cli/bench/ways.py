"""Ways to a component: the OpenAI path with a bearer token, or the streaming API through a relay that signs."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import boto3

from cdk_sglang.benchmarking.aiperf.configuration import TOKEN_VARIABLE, Address
from cdk_sglang.benchmarking.relay import relay
from cdk_sglang.benchmarking.resolved import Step
from cdk_sglang.benchmarking.target import Target
from cdk_sglang.client.tokens import session_token

_TOKEN_LIFE: Final = timedelta(hours=3)
"""Lifetime of the token of a step that ends after a number of requests, so that its length is unknown; SageMaker takes up to 12 hours
(https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-openai-compatible.html, read 2026-11)."""
_LONGEST_LIFE: Final = timedelta(hours=12)
_MARGIN: Final = timedelta(minutes=30)
_CONNECTIONS_AT_RATE: Final = 1024


class Api(enum.StrEnum):
    """API of SageMaker that requests go through."""

    OPENAI = "openai"
    STREAMING = "streaming"


class Way:
    """A way to a component.

    Args:
        api: API of SageMaker.
        target: The component.
        session: Source of the credentials.
        timeout_seconds: Longest time between two parts of an answer.
    """

    def __init__(self, api: Api, target: Target, *, session: boto3.Session, timeout_seconds: float) -> None:
        self._api, self._target, self._session, self._timeout = api, target, session, timeout_seconds
        self.notes: list[str] = []

    @contextmanager
    def __call__(self, step: Step) -> Iterator[tuple[Address, Mapping[str, str]]]:
        """Open the way for one repeat of a step."""
        target = self._target
        region = target.region
        if self._api is Api.OPENAI:
            life = _TOKEN_LIFE if step.seconds is None else timedelta(seconds=step.seconds) + _MARGIN
            token = session_token(self._session, region, min(life, _LONGEST_LIFE))
            url = self._session.client("sagemaker-runtime", region_name=region).meta.endpoint_url
            path = (
                f"/endpoints/{target.endpoint_name}/inference-components/{target.component_name}"
                "/openai/v1/chat/completions"
            )
            yield Address(url=url.rstrip("/"), path=path, needs_token=True), {TOKEN_VARIABLE: token}
            return
        connections = step.concurrency or _CONNECTIONS_AT_RATE
        with relay(
            target.endpoint_name,
            target.component_name,
            region=region,
            connections=connections,
            timeout_seconds=self._timeout,
        ) as (address, overhead):
            yield address, {}
        if overhead.before:
            self.notes.append(f"{step.label}: {overhead.words()}")
