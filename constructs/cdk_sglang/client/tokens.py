"""Bearer tokens of SageMaker's OpenAI-compatible path, renewed long before they expire."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Final

import boto3
from botocore.credentials import CredentialProvider, Credentials

from cdk_sglang.client.wait import Clock

LIFE: Final = timedelta(hours=1)
"""SageMaker takes tokens of up to 12 hours (https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-openai-compatible.html,
read 2026-11). A leaked token is valid for its whole life, so it is kept short. Every token expires with the credentials that signed it."""
RENEW_AFTER_SECONDS: Final = 300
"""botocore renews temporary credentials at the latest 10 minutes before they expire (1.44.5, credentials.py), so the credentials that
signed a token of this age are still valid."""


class _SessionCredentials(CredentialProvider):
    """The credentials of a boto3 session, for sagemaker-core's generator."""

    METHOD = "cdk-sglang-session"

    def __init__(self, session: boto3.Session) -> None:
        super().__init__()
        self._boto3_session = session

    def load(self) -> Credentials | None:
        return self._boto3_session.get_credentials()


def session_token(session: boto3.Session, region: str, life: timedelta) -> str:
    """Return a bearer token of a session's credentials.

    Args:
        session: Source of the credentials.
        region: Region of the endpoint.
        life: How long the token is valid, at most; it expires with the credentials that signed it.

    Raises:
        RuntimeError: There are no AWS credentials.
    """
    from sagemaker.core.token_generator import generate_token

    token: str = generate_token(region, _SessionCredentials(session), life)
    return token


class BearerTokens:
    """Generator of bearer tokens, which are reused for some minutes.

    Args:
        session: Source of the credentials.
        region: Region of the endpoint.
        clock: Clock of a token's age.
    """

    def __init__(self, *, session: boto3.Session, region: str, clock: Clock) -> None:
        self._credentials, self._region, self._clock = _SessionCredentials(session), region, clock
        self._lock = threading.Lock()
        self._token, self._token_time = "", float("-inf")

    def token(self) -> str:
        """Return a token that is valid long enough for a request.

        Raises:
            RuntimeError: There are no AWS credentials.
        """
        from sagemaker.core.token_generator import generate_token

        with self._lock:
            if self._clock.now() - self._token_time >= RENEW_AFTER_SECONDS:
                self._token = generate_token(self._region, self._credentials, LIFE)
                self._token_time = self._clock.now()
            return self._token
