"""The bearer token is the one that AWS's own generator makes, without the packages that it brings."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import boto3
import pytest
from botocore import auth

from cdk_sglang.client.tokens import LIFE, session_token


@pytest.mark.parametrize("session_of_a_role", [False, True], ids=["user", "role"])
def test_a_token_is_the_one_that_sagemaker_core_makes(
    monkeypatch: pytest.MonkeyPatch, *, session_of_a_role: bool
) -> None:
    from sagemaker.core.token_generator import generate_token

    monkeypatch.setattr(auth, "get_current_datetime", lambda: datetime(2026, 12, 1, 12, tzinfo=UTC))
    key = {"aws_access_key_id": "AKIA0EXAMPLE", "aws_secret_access_key": "secret"}
    session = boto3.Session(**key, aws_session_token="of/a+role==" if session_of_a_role else None)
    load = SimpleNamespace(load=session.get_credentials)
    assert session_token(session, "eu-west-1", LIFE) == generate_token("eu-west-1", load, LIFE)


def test_a_token_needs_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    session = boto3.Session()
    monkeypatch.setattr(session, "get_credentials", lambda: None)
    with pytest.raises(RuntimeError, match="no AWS credentials; give a session that has some"):
        session_token(session, "eu-west-1", LIFE)
