"""The console as a caller of SageMaker Runtime: over the server's port, signed with the credentials of this start."""

from __future__ import annotations

import functools
import json
from typing import Any, Final

import boto3
from botocore.config import Config

from localcloud.aws.credentials import REGION, Credentials
from localcloud.aws.settings import current

_CONNECTIONS_MAX: Final = 64
_READ_WITHIN_S: Final = 65
"""Slightly longer than SageMaker's own time-out for a container, so that the latter is the one that shows."""


def runtime() -> Any:
    """Client of SageMaker Runtime for this server; it does not retry, so that each failure shows."""
    return _client(current().base_url, current().credentials)


@functools.lru_cache(maxsize=2)
def _client(url: str, credentials: Credentials) -> Any:
    session = boto3.Session(
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        region_name=REGION,
    )
    config = Config(
        retries={"total_max_attempts": 1}, read_timeout=_READ_WITHIN_S, max_pool_connections=_CONNECTIONS_MAX
    )
    return session.client("sagemaker-runtime", endpoint_url=url, config=config)


def request(endpoint: str, component: str, body: dict[str, Any]) -> dict[str, Any]:
    """Arguments of an invocation with a chat request."""
    return {
        "EndpointName": endpoint,
        "InferenceComponentName": component,
        "ContentType": "application/json",
        "Body": json.dumps(body),
    }
