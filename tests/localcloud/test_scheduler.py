"""EventBridge Scheduler: functions run on the clock, and what cannot be delivered ends in a queue."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws import faults
from tests.localcloud.helpers import ROLE, SESSION, eventually

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:guard"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
ECHO = "import json\ndef handler(event, context):\n    print('got', json.dumps(event))\n"
FAILS = "def handler(event, context):\n    print('got', event)\n    raise RuntimeError('no plan')\n"
CALLS_BACK = "import boto3\ndef handler(event, context):\n    boto3.client('sqs').send_message(**event)\n"  # as AWS_ENDPOINT_URL says


def zipped(code: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", code)
    return packed.getvalue()


def make_function(client: Callable[[str], Any], code: str, **more: Any) -> None:
    client("iam").create_role(RoleName="hosting", AssumeRolePolicyDocument=TRUST)
    statement = {"Effect": "Allow", "Action": ["sqs:SendMessage", "lambda:InvokeFunction", "logs:*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("iam").put_role_policy(RoleName="hosting", PolicyName="p", PolicyDocument=policy)
    client("lambda").create_function(
        FunctionName="guard", Runtime="python3.12", Role=ROLE, Handler="index.handler",
        Code={"ZipFile": zipped(code)}, Timeout=20, **more,
    )  # fmt: skip


def queue(client: Callable[[str], Any], name: str = "dead") -> tuple[str, str]:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def received(client: Callable[[str], Any], url: str) -> list[Any]:
    found: list[Any] = (
        client("sqs")
        .receive_message(QueueUrl=url, MessageAttributeNames=["All"], MaxNumberOfMessages=10)
        .get("Messages", [])
    )
    return found


def events() -> list[str]:
    logs = SESSION.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/guard")["logGroups"]:
        return []
    found = logs.filter_log_events(logGroupName="/aws/lambda/guard")["events"]
    return [event["message"] for event in found if "got" in event["message"]]


@pytest.fixture
def scheduler(driven: Any) -> Any:
    return SESSION.client("scheduler")


def schedule(scheduler: Any, expression: str, *, target: dict[str, Any] | None = None, **more: Any) -> None:
    schedule_target = {"Arn": FUNCTION, "RoleArn": ROLE, "Input": json.dumps({"plan": "p1"})} | (target or {})
    scheduler.create_schedule(
        Name="daily", ScheduleExpression=expression, FlexibleTimeWindow={"Mode": "OFF"}, Target=schedule_target, **more
    )


def test_function_gets_its_input_when_the_hour_comes(scheduler: Any, driven: Any) -> None:
    make_function(SESSION.client, ECHO)
    due = driven.utc() + timedelta(minutes=3)
    zoned = {"ScheduleExpressionTimezone": "Asia/Tokyo"}
    hour = (due.hour + 9) % 24
    schedule(scheduler, f"cron({due.minute} {hour} ? * * *)", **zoned)
    driven.advance(60)
    assert events() == []
    driven.advance(150)
    (line,) = events()
    assert '{"plan": "p1"}' in line


def test_rate_runs_at_once_and_then_in_its_rhythm_until_it_is_disabled(scheduler: Any, driven: Any) -> None:
    make_function(SESSION.client, ECHO)
    context = {"Input": '{"at": "<aws.scheduler.scheduled-time>", "by": "<aws.scheduler.schedule-arn>"}'}
    schedule(scheduler, "rate(5 minutes)", target=context)
    driven.advance(5 * 60 + 5)
    assert len(events()) == 2
    assert "schedule/default/daily" in events()[0]
    assert f"{datetime.fromtimestamp(driven.now(), UTC):%Y-%m-%d}" in events()[1]
    scheduler.update_schedule(
        Name="daily",
        State="DISABLED",
        ScheduleExpression="rate(5 minutes)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": FUNCTION, "RoleArn": ROLE},
    )
    driven.advance(11 * 60)
    assert len(events()) == 2


def test_one_time_schedule_deletes_itself_when_told_so(scheduler: Any, driven: Any) -> None:
    make_function(SESSION.client, ECHO)
    moment = driven.utc() + timedelta(seconds=30)
    schedule(scheduler, f"at({moment:%Y-%m-%dT%H:%M:%S})", ActionAfterCompletion="DELETE")
    driven.advance(40)
    assert len(events()) == 1
    assert scheduler.list_schedules()["Schedules"] == []


def test_target_that_is_not_there_is_retried_and_ends_in_the_queue(scheduler: Any, driven: Any) -> None:
    url, arn = queue(SESSION.client)
    target = {"DeadLetterConfig": {"Arn": arn}, "RetryPolicy": {"MaximumRetryAttempts": 2}}
    schedule(scheduler, "rate(1 day)", target=target)
    driven.advance(90)  # two attempts, a minute apart
    assert received(SESSION.client, url) == []
    driven.advance(120)
    (message,) = received(SESSION.client, url)
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert json.loads(message["Body"]) == {"plan": "p1"}
    assert attributes["ERROR_CODE"] == "ResourceNotFoundException"
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert attributes["RETRY_ATTEMPTS"] == "2"


def test_delivery_that_is_throttled_once_succeeds_on_the_second_attempt(scheduler: Any, driven: Any) -> None:
    make_function(SESSION.client, ECHO)
    faults.inject("throttling", target="Invoke", times=1)
    schedule(scheduler, "rate(1 day)")
    driven.advance(10)
    assert events() == []
    driven.advance(60)
    assert len(events()) == 1


def test_function_that_fails_is_retried_twice_by_lambda_and_ends_in_its_own_queue(scheduler: Any, driven: Any) -> None:
    url, arn = queue(SESSION.client)
    make_function(SESSION.client, FAILS, DeadLetterConfig={"TargetArn": arn})
    schedule(scheduler, "rate(1 day)")
    driven.advance(62)
    assert len(events()) == 2
    assert received(SESSION.client, url) == []
    driven.advance(125)
    assert len(events()) == 3
    (message,) = received(SESSION.client, url)
    assert json.loads(message["Body"]) == {"plan": "p1"}
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no plan"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ScheduleExpression": "cron(0 8 * * * *)"}, "Invalid Schedule Expression"),
        ({"ScheduleExpressionTimezone": "Mars/Olympus"}, "Invalid time zone"),
        ({"Target": {"Arn": FUNCTION, "RoleArn": ROLE, "Input": "{"}}, "Invalid Input"),
    ],
)
def test_schedule_is_refused_for(scheduler: Any, change: dict[str, Any], says: str) -> None:
    request: dict[str, Any] = {
        "Name": "bad",
        "ScheduleExpression": "rate(1 day)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": FUNCTION, "RoleArn": ROLE},
    }
    with pytest.raises(ClientError, match=says):
        scheduler.create_schedule(**(request | change))


def test_schedule_of_a_template_runs_changes_and_goes(scheduler: Any, driven: Any) -> None:
    url, arn = queue(SESSION.client, "inbox")
    properties: dict[str, Any] = {
        "ScheduleExpression": "rate(10 minutes)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "StartDate": f"{driven.utc() + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}",
        "GroupName": {"Ref": "Group"},
        "Target": {"Arn": arn, "RoleArn": ROLE, "Input": "one"},
    }
    resources = {
        "Group": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": "guards"}},
        "Guard": {"Type": "AWS::Scheduler::Schedule", "Properties": properties},
    }
    cloudformation = SESSION.client("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps({"Resources": resources}))
    driven.advance(65)
    assert [message["Body"] for message in received(SESSION.client, url)] == ["one"]
    properties["Target"] = properties["Target"] | {"Input": "two"}
    properties["ScheduleExpression"] = "rate(2 minutes)"
    cloudformation.update_stack(StackName="s", TemplateBody=json.dumps({"Resources": resources}))
    driven.advance(120)
    assert [message["Body"] for message in received(SESSION.client, url)] == ["two"]
    cloudformation.delete_stack(StackName="s")
    assert scheduler.list_schedules()["Schedules"] == []


def test_function_of_a_server_is_run_on_its_clock_and_reaches_the_server(
    client: Callable[[str], Any], admin: Callable[..., Any]
) -> None:
    make_function(client, CALLS_BACK)
    url, _ = queue(client, "inbox")
    moment = datetime.fromtimestamp(admin("GET", "health")["time"], UTC) + timedelta(hours=1)
    message = {"Input": json.dumps({"QueueUrl": url, "MessageBody": "checked"})}
    schedule(client("scheduler"), f"at({moment:%Y-%m-%dT%H:%M:%S})", target=message)
    assert received(client, url) == []
    admin("POST", "clock", {"advance": 3605})
    (arrived,) = eventually(lambda: received(client, url))
    assert arrived["Body"] == "checked"
