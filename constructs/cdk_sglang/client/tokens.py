"""Bearer tokens of SageMaker's OpenAI-compatible path, renewed long before they expire."""

from __future__ import annotations

import base64
import threading
from datetime import timedelta
from typing import Final

import boto3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from .wait import Clock

LIFE: Final = timedelta(hours=1)
"""SageMaker takes tokens of up to 12 hours (https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-openai-compatible.html,
read 2026-11). A leaked token is valid for its whole life, so it is kept short. Every token expires with the credentials that signed it."""
RENEW_AFTER_SECONDS: Final = 300
"""botocore renews temporary credentials at the latest 10 minutes before they expire (1.44.5, credentials.py), so the credentials that
signed a token of this age are still valid."""
_HOST: Final = "sagemaker.amazonaws.com"
_PREFIX: Final = "sagemaker-api-key-"
_VERSION: Final = "&Version=1"
"""A token is a presigned request for `CallWithBearerToken` to this host, whatever the Region, as sagemaker-core 2.27.0 makes it
(sagemaker/core/token_generator). A test compares both: the package brings pandas, SciPy and NumPy, which a token does not need."""


def session_token(session: boto3.Session, region: str, life: timedelta) -> str:
    """Return a bearer token of a session's credentials.

    Args:
        session: Source of the credentials.
        region: Region of the endpoint.
        life: How long the token is valid, at most; it expires with the credentials that signed it.

    Raises:
        RuntimeError: There are no AWS credentials.
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise RuntimeError("no AWS credentials; give a session that has some, or set AWS_PROFILE or the AWS_ variables")
    request = AWSRequest(
        method="POST", url=f"https://{_HOST}/", headers={"host": _HOST}, params={"Action": "CallWithBearerToken"}
    )
    # Frozen: credentials renewed during signing would sign with the key of one version and the token of another.
    SigV4QueryAuth(
        credentials.get_frozen_credentials(), "sagemaker", region, expires=int(life.total_seconds())
    ).add_auth(request)
    signed = f"{str(request.url).removeprefix('https://')}{_VERSION}"
    return f"{_PREFIX}{base64.b64encode(signed.encode()).decode()}"


class BearerTokens:
    """Generator of bearer tokens, which are reused for some minutes.

    Args:
        session: Source of the credentials.
        region: Region of the endpoint.
        clock: Clock of a token's age.
    """

    def __init__(self, *, session: boto3.Session, region: str, clock: Clock) -> None:
        self._session, self._region, self._clock = session, region, clock
        self._lock = threading.Lock()
        self._token, self._token_time = "", float("-inf")

    def token(self) -> str:
        """Return a token that is valid long enough for a request.

        Raises:
            RuntimeError: There are no AWS credentials.
        """
        with self._lock:
            if self._clock.now() - self._token_time >= RENEW_AFTER_SECONDS:
                self._token = session_token(self._session, self._region, LIFE)
                self._token_time = self._clock.now()
            return self._token
