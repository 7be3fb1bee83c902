"""Log groups of the gate's canaries are made before SageMaker would make them without an end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from cdk_sglang._runtime.speculative.ends import Throttled
from cdk_sglang._runtime.speculative.gate_logs import make_log_groups
from tests.support.speculation import RUN, aws, client

PREFIX = f"/aws/sagemaker/InferenceComponents/gate-{RUN}"


@pytest.fixture
def logs() -> Iterator[Any]:
    with mock_aws():
        yield client("logs")


def _groups(logs: Any) -> dict[str, int]:
    return {one["logGroupName"]: one["retentionInDays"] for one in logs.describe_log_groups()["logGroups"]}


def test_they_have_a_retention_also_those_that_are_there(logs: Any) -> None:
    logs.create_log_group(logGroupName=f"{PREFIX}-base")
    for _ in range(2):  # a step may be taken again
        make_log_groups(aws(logs=logs), RUN, retention_days=14, second_endpoint=True)
    assert _groups(logs) == {
        f"{PREFIX}-base": 14,
        f"{PREFIX}-draft": 14,
        f"/aws/sagemaker/Endpoints/gate-{RUN}": 14,
    }


def test_beside_the_live_component_there_is_no_endpoint_of_their_own(logs: Any) -> None:
    make_log_groups(aws(logs=logs), RUN, retention_days=14, second_endpoint=False)
    assert set(_groups(logs)) == {f"{PREFIX}-base", f"{PREFIX}-draft"}


def _refusing(code: str) -> MagicMock:
    refused = ClientError({"Error": {"Code": code, "Message": "no"}}, "CreateLogGroup")
    return MagicMock(create_log_group=MagicMock(side_effect=refused))


def test_a_refusal_is_logged_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        make_log_groups(aws(logs=_refusing("AccessDeniedException")), RUN, retention_days=14, second_endpoint=False)
    assert f"{PREFIX}-draft" in caplog.text


def test_throttling_is_waited_out() -> None:
    with pytest.raises(Throttled):
        make_log_groups(aws(logs=_refusing("ThrottlingException")), RUN, retention_days=14, second_endpoint=False)
