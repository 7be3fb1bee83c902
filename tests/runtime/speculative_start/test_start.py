"""Runs that a schedule or an alarm starts: named like those of the command line, and never beside another."""

from __future__ import annotations

import datetime as dt
import json

import boto3
import pytest
from botocore.stub import Stubber

from cdk_sglang._runtime.speculative_start import handler
from cdk_sglang._runtime.speculative_start.logic import run_name, start

MACHINE = "arn:aws:states:us-east-1:111122223333:stateMachine:prod-chat-llama-speculative"
RUN = "r20261130T120000-beef"


@pytest.fixture
def stubbed() -> Stubber:
    session = boto3.Session("testing", "testing", region_name="us-east-1")
    return Stubber(session.client("stepfunctions"))


def _listing(stubbed: Stubber, *executions: str) -> None:
    now = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
    found = [
        {
            "executionArn": f"{MACHINE.replace('stateMachine', 'execution')}:{name}",
            "stateMachineArn": MACHINE,
            "name": name,
            "status": "RUNNING",
            "startDate": now,
        }
        for name in executions
    ]
    expected = {"stateMachineArn": MACHINE, "statusFilter": "RUNNING", "maxResults": 1}
    stubbed.add_response("list_executions", {"executions": found}, expected)


def test_a_run_has_its_time_in_utc_and_four_digits() -> None:
    berlin = dt.datetime(2026, 11, 30, 13, 0, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    name = run_name(berlin, "one")
    assert name.startswith("r20261130T120000-")
    assert name == run_name(berlin, "one")
    assert name != run_name(berlin, "two")


def test_a_run_is_started_under_its_name(stubbed: Stubber) -> None:
    _listing(stubbed)
    sent = {"stateMachineArn": MACHINE, "name": RUN, "input": json.dumps({"reason": "alarm", "run": RUN})}
    started = {"executionArn": "arn:x", "startDate": dt.datetime(2026, 11, 30, tzinfo=dt.UTC)}
    stubbed.add_response("start_execution", started, sent)
    with stubbed:
        assert start(stubbed.client, state_machine=MACHINE, run=RUN, reason="alarm")
    stubbed.assert_no_pending_responses()


def test_nothing_is_started_beside_a_run(stubbed: Stubber) -> None:
    _listing(stubbed, "r20261130T110000-0000")
    with stubbed:
        assert not start(stubbed.client, state_machine=MACHINE, run=RUN, reason="schedule")


def test_an_event_without_an_id_starts_a_run_too(stubbed: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    _listing(stubbed, "r20261130T110000-0000")
    monkeypatch.setenv("STATE_MACHINE", MACHINE)
    monkeypatch.setattr(handler, "_client", lambda: stubbed.client)
    with stubbed:
        assert handler.handle({"reason": "schedule"}, None) == {"run": None, "started": False}
