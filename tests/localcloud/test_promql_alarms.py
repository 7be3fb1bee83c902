"""Alarms over PromQL, and composite alarms over them, on a driven clock."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.hosting.store import store
from localcloud.aws.metrics import alarm_rules
from localcloud.aws.metrics.samples import samples_of
from tests.localcloud.helpers import SESSION

QUERY = 'sum by ("aws.sagemaker.inference_component.name") ({"sglang:num_queue_reqs"}) > 10'


class Load:
    """A series per component whose value the test sets, sampled every ten seconds while time passes; None: no sample."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.values: dict[str, float | None] = {}

    def advance(self, seconds: float, **values: float | None) -> None:
        self.values |= values
        while seconds > 0:
            step = min(10.0, seconds)
            for component, value in self.values.items():
                if value is not None:
                    labels = {"__name__": "sglang:num_queue_reqs", "aws.sagemaker.inference_component.name": component}
                    samples_of(store("123456789012", "us-east-1")).add(labels, self.clock.now(), value)
            self.clock.advance(step)
            seconds -= step


@pytest.fixture
def load(driven: Any) -> Load:
    store("123456789012", "us-east-1")
    return Load(driven)


@pytest.fixture
def cloudwatch(driven: Any) -> Any:
    return SESSION.client("cloudwatch")


def alarm(cloudwatch: Any, name: str = "queue", query: str = QUERY, **more: Any) -> None:
    criteria = {"Query": query, "PendingPeriod": more.pop("pending", 60), "RecoveryPeriod": more.pop("recovery", 120)}
    options = {"AlarmName": name, "EvaluationInterval": 30} | more
    cloudwatch.put_metric_alarm(**options, EvaluationCriteria={"PromQLCriteria": criteria})


def state(cloudwatch: Any, name: str = "queue") -> str:
    answer = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return str((answer["MetricAlarms"] + answer["CompositeAlarms"])[0]["StateValue"])


def test_alarm_fires_after_its_pending_period_and_clears_after_its_recovery_period(
    cloudwatch: Any, load: Load, inbox: Any
) -> None:
    topic, read = inbox
    alarm(cloudwatch, AlarmActions=[topic], OKActions=[topic])
    load.advance(60, llama=3)
    assert state(cloudwatch) == "OK"
    read()
    load.advance(55, llama=50)
    assert state(cloudwatch) == "OK"  # it breaches, but not yet for a minute of evaluations
    load.advance(55)
    assert state(cloudwatch) == "ALARM"
    ((subject, message),) = read()
    assert subject == 'ALARM: "queue" in US East (N. Virginia)'
    assert '{aws.sagemaker.inference_component.name="llama"} = 50' in message["NewStateReason"]
    assert message["Trigger"]["EvaluationCriteria"]["PromQLCriteria"]["Query"] == QUERY
    load.advance(110, llama=3)
    assert state(cloudwatch) == "ALARM"
    load.advance(80)
    assert state(cloudwatch) == "OK"
    ((subject, _),) = read()
    assert subject.startswith("OK:")


def test_spike_shorter_than_the_pending_period_is_no_alarm(cloudwatch: Any, load: Load) -> None:
    alarm(cloudwatch)
    for _ in range(5):  # flapping: each time the pending period begins again
        load.advance(40, llama=50)
        load.advance(40, llama=0)
        assert state(cloudwatch) == "OK"


def test_series_that_breaches_again_within_its_recovery_period_stays_in_alarm(cloudwatch: Any, load: Load) -> None:
    alarm(cloudwatch)
    load.advance(130, llama=50)
    assert state(cloudwatch) == "ALARM"
    load.advance(100, llama=0)
    load.advance(30, llama=50)
    load.advance(100, llama=0)
    assert state(cloudwatch) == "ALARM"


def test_every_series_is_a_contributor_of_its_own(cloudwatch: Any, load: Load) -> None:
    alarm(cloudwatch)
    load.advance(130, llama=50, qwen=0)
    load.advance(40, qwen=60)
    (one,) = cloudwatch.describe_alarm_contributors(AlarmName="queue")["AlarmContributors"]
    assert one["ContributorAttributes"] == {"aws.sagemaker.inference_component.name": "llama"}
    load.advance(60)
    assert len(cloudwatch.describe_alarm_contributors(AlarmName="queue")["AlarmContributors"]) == 2
    load.advance(180, llama=0)
    assert state(cloudwatch) == "ALARM"
    (one,) = cloudwatch.describe_alarm_contributors(AlarmName="queue")["AlarmContributors"]
    assert one["ContributorAttributes"] == {"aws.sagemaker.inference_component.name": "qwen"}


def test_without_data_there_is_too_little_to_say(cloudwatch: Any, load: Load, inbox: Any) -> None:
    topic, read = inbox
    alarm(cloudwatch, InsufficientDataActions=[topic])
    alarm(cloudwatch, "gone", query='absent({"sglang:num_queue_reqs"})', pending=0)
    load.advance(60)
    assert state(cloudwatch) == "INSUFFICIENT_DATA"
    assert state(cloudwatch, "gone") == "ALARM"
    assert read() == []  # it has been in that state from its beginning
    load.advance(60, llama=1)
    assert state(cloudwatch) == "OK"
    assert state(cloudwatch, "gone") == "ALARM"  # recovering
    load.advance(600, llama=None)
    assert state(cloudwatch) == "INSUFFICIENT_DATA"
    assert len(read()) == 1


def test_alarm_clears_when_the_data_of_a_breaching_series_end(cloudwatch: Any, load: Load) -> None:
    alarm(cloudwatch)
    load.advance(130, llama=50)
    load.advance(290, llama=None)
    assert state(cloudwatch) == "ALARM"  # the last sample counts for five minutes
    load.advance(200)
    assert state(cloudwatch) == "INSUFFICIENT_DATA"


def test_query_that_fails_says_so(cloudwatch: Any, load: Load) -> None:
    alarm(cloudwatch, query='label_replace({"sglang:num_queue_reqs"}, "", "", "", "")')
    load.advance(60, llama=1)
    (found,) = cloudwatch.describe_alarms(AlarmNames=["queue"])["MetricAlarms"]
    assert (found["StateValue"], found["EvaluationState"]) == ("INSUFFICIENT_DATA", "EVALUATION_ERROR")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"query": "sum("}, "parse error"),
        ({"query": "up[5m]"}, "instant vector"),
        ({"query": "1"}, "instant vector"),
        ({"MetricName": "Invocations"}, "cannot be combined with MetricName"),
    ],
)
def test_alarm_that_aws_refuses_is_refused(cloudwatch: Any, change: Any, says: str) -> None:
    with pytest.raises(ClientError, match=says):
        alarm(cloudwatch, **change)


def composite(cloudwatch: Any, rule: str, **more: Any) -> None:
    cloudwatch.put_composite_alarm(AlarmName="page", AlarmRule=rule, **more)


def _set(cloudwatch: Any, **states: str) -> None:
    for name, value in states.items():
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=value, StateReason="test")


@pytest.fixture
def pair(cloudwatch: Any) -> Any:
    """Two alarms without data, and one that tells of deployments: evaluations leave their states alone."""
    for name in ("fast", "slow", "deploying"):
        cloudwatch.put_metric_alarm(
            AlarmName=name, Namespace="None", MetricName="None", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1,
            ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
        )  # fmt: skip
    _set(cloudwatch, fast="OK", slow="OK", deploying="OK")
    return cloudwatch


def test_composite_pages_once_for_several_alarms(pair: Any, driven: Any, inbox: Any) -> None:
    topic, read = inbox
    composite(pair, "ALARM(fast) OR ALARM(slow)", AlarmActions=[topic], OKActions=[topic])
    driven.advance(15)
    assert state(pair, "page") == "OK"
    read()
    _set(pair, fast="ALARM")
    _set(pair, slow="ALARM")
    driven.advance(60)
    _set(pair, fast="OK")
    driven.advance(60)
    ((subject, message),) = read()
    assert subject.startswith('ALARM: "page"')
    assert message["AlarmRule"] == "ALARM(fast) OR ALARM(slow)"
    assert "in ALARM: fast" in message["NewStateReason"]
    _set(pair, slow="OK")
    ((subject, _),) = read()
    assert subject.startswith("OK:")


def suppressed(cloudwatch: Any, topic: str) -> None:
    composite(
        cloudwatch, "ALARM(fast)", AlarmActions=[topic], OKActions=[topic], ActionsSuppressor="deploying",
        ActionsSuppressorWaitPeriod=60, ActionsSuppressorExtensionPeriod=120,
    )  # fmt: skip


def reason(cloudwatch: Any) -> str | None:
    (found,) = cloudwatch.describe_alarms(AlarmNames=["page"], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    value: str | None = found.get("ActionsSuppressedBy")
    return value


def test_composite_waits_for_its_suppressor_then_pages(pair: Any, driven: Any, inbox: Any) -> None:
    topic, read = inbox
    suppressed(pair, topic)
    driven.advance(15)
    read()
    _set(pair, fast="ALARM")
    driven.advance(50)
    assert (state(pair, "page"), reason(pair), read()) == ("ALARM", "WaitPeriod", [])
    driven.advance(20)
    assert reason(pair) is None
    assert len(read()) == 1


def test_composite_is_silent_while_a_deployment_runs_and_for_the_extension_after(
    pair: Any, driven: Any, inbox: Any
) -> None:
    topic, read = inbox
    suppressed(pair, topic)
    driven.advance(15)
    read()
    _set(pair, fast="ALARM")
    driven.advance(30)
    _set(pair, deploying="ALARM")
    driven.advance(600)
    assert (reason(pair), read()) == ("Alarm", [])
    _set(pair, deploying="OK")
    driven.advance(100)
    assert (reason(pair), read()) == ("ExtensionPeriod", [])
    driven.advance(40)
    ((subject, _),) = read()
    assert subject.startswith("ALARM:")


def test_trouble_that_a_deployment_caused_and_ended_pages_nobody(pair: Any, driven: Any, inbox: Any) -> None:
    topic, read = inbox
    suppressed(pair, topic)
    driven.advance(15)
    read()
    _set(pair, deploying="ALARM")
    _set(pair, fast="ALARM")
    driven.advance(300)
    _set(pair, fast="OK")
    driven.advance(60)
    _set(pair, deploying="OK")
    driven.advance(600)
    assert read() == []


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("ALARM(a)", True),
        ('ALARM("a") AND ALARM(b)', False),
        ("ALARM(a) AND (ALARM(b) OR INSUFFICIENT_DATA('c'))", True),
        ("NOT OK(b)", False),
        ("NOT (OK(b) AND ALARM(a))", False),
        ("FALSE OR not alarm(b) and TRUE", True),
        ('ALARM("arn:aws:cloudwatch:us-east-1:123456789012:alarm:a")', True),
        ("OK(nobody)", False),
        ("AT_LEAST(2, ALARM, (a, b, c))", False),
        ("AT_LEAST(2, NOT OK, (a, b, c))", True),
        ("AT_LEAST(50%, ALARM, (a, b))", True),
        (r'ALARM("say \"a\"") OR OK(b)', True),
    ],
)
def test_rule_holds(rule: str, holds: bool) -> None:
    assert alarm_rules.parse(rule).holds({"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA"}) is holds


@pytest.mark.parametrize(
    "rule", ["", "ALARM", "ALARM()", "ALARM(a", "ALARM(a) ALARM(b)", "a", "AND", "ALARM(a) AND", "AT_LEAST(x, ALARM, (a))", 'ALARM("a)']
)  # fmt: skip
def test_rule_without_meaning_is_refused(rule: str) -> None:
    with pytest.raises(alarm_rules.RuleError):
        alarm_rules.parse(rule)


@pytest.mark.parametrize(
    ("rule", "more", "says"),
    [
        ("ALARM(nobody)", {}, "do not exist"),
        ("ALARM(page)", {}, "the alarm itself"),
        ("ALARM(fast)", {"ActionsSuppressor": "deploying"}, "ActionsSuppressorWaitPeriod"),
        ("ALARM(fast)", {"ActionsSuppressorWaitPeriod": 1}, "needs ActionsSuppressor"),
    ],
)
def test_composite_that_aws_refuses_is_refused(pair: Any, rule: str, more: Any, says: str) -> None:
    with pytest.raises(ClientError, match=says):
        composite(pair, rule, **more)


def test_alarms_of_a_template_are_evaluated_changed_and_removed(cloudwatch: Any, load: Load) -> None:
    criteria = {"Query": QUERY, "PendingPeriod": 60, "RecoveryPeriod": 60}
    promql = {"AlarmName": "queue", "EvaluationCriteria": {"PromQLCriteria": criteria}, "EvaluationInterval": 30}
    page = {"AlarmName": "page", "AlarmRule": {"Fn::Sub": 'ALARM("${Queue}")'}}
    template = {
        "Resources": {
            "Page": {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": page},
            "Queue": {"Type": "AWS::CloudWatch::Alarm", "Properties": promql},
        },
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Page", "Arn"]}}},
    }
    cloudformation = SESSION.client("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(template))
    load.advance(130, llama=50)
    assert (state(cloudwatch), state(cloudwatch, "page")) == ("ALARM", "ALARM")
    criteria["Query"] = QUERY.replace("10", "1000")
    page["AlarmRule"] = {"Fn::Sub": 'NOT ALARM("${Queue}")'}
    cloudformation.update_stack(StackName="s", TemplateBody=json.dumps(template))
    (stack,) = cloudformation.describe_stacks(StackName="s")["Stacks"]
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert stack["Outputs"][0]["OutputValue"].endswith(":alarm:page")
    load.advance(40)
    assert (state(cloudwatch), state(cloudwatch, "page")) == ("OK", "ALARM")
    assert cloudwatch.describe_alarms()["CompositeAlarms"] == []  # unless they are asked for
    cloudformation.delete_stack(StackName="s")
    answer = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert answer["MetricAlarms"] + answer["CompositeAlarms"] == []
