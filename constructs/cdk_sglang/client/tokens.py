"""Bearer tokens of SageMaker's OpenAI-compatible path, made anew long before they end."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Final

import boto3
from botocore.credentials import CredentialProvider, Credentials

from cdk_sglang.client.wait import Clock

LIFE: Final = timedelta(hours=1)
"""SageMaker takes tokens of up to 12 hours (https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-openai-compatible.html,
read 2026-11). A token that leaks is good for its whole life, and it ends with the credentials that signed it, whatever it says."""
RENEW_AFTER_SECONDS: Final = 300
"""botocore renews temporary credentials 10 minutes before they end at the latest (1.44.5, credentials.py), so a token of this age is
still signed by living ones."""


class _OfSession(CredentialProvider):
    """The credentials of a boto3 session, for sagemaker-core's generator."""

    METHOD = "cdk-sglang-session"

    def __init__(self, session: boto3.Session) -> None:
        super().__init__()
        self._boto3_session = session

    def load(self) -> Credentials | None:
        return self._boto3_session.get_credentials()


class BearerTokens:
    """Gives the token for the next attempt.

    Args:
        session: Where credentials come from.
        region: Region of the endpoint.
        clock: What a token's age is measured by.
    """

    def __init__(self, *, session: boto3.Session, region: str, clock: Clock) -> None:
        self._credentials, self._region, self._clock = _OfSession(session), region, clock
        self._lock = threading.Lock()
        self._token, self._made = "", float("-inf")

    def token(self) -> str:
        """Return a token that lives long enough for a request.

        Raises:
            RuntimeError: There are no AWS credentials.
        """
        from sagemaker.core.token_generator import generate_token

        with self._lock:
            if self._clock.now() - self._made >= RENEW_AFTER_SECONDS:
                self._token = generate_token(self._region, self._credentials, LIFE)
                self._made = self._clock.now()
            return self._token
