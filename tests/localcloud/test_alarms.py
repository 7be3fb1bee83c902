"""Alarms over metrics and metric math, and their notifications to SNS topics, on a driven clock."""

import json
from datetime import timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.hosting.store import stores
from localcloud.aws.metrics import metricmath
from tests.localcloud.helpers import SESSION, any_component, any_endpoint

RESOURCE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "inference-component/llama",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
}


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("m1 + m2 * 2", [11, None, 7]),
        ("(m1 - m2) / 2", [-2, None, -0.25]),
        ("m1 / m3", [None, None, None]),
        ("100*(m2/m1)", [500, None, 125]),
        ("IF(m2 > 3, m1, 0)", [1, None, 0]),
        ("IF(m1 > 1 AND m1 < 3, 1, 0)", [0, 0, 1]),
        ("IF(m1 > 2 || m1 == 1, m1)", [1, 3, None]),
        ("FILL(m2, 0)", [5, 0, 2.5]),
        ("FILL(m2, REPEAT)", [5, 2.5, 2.5]),
        ("MAX([m1, m2])", [5, 3, 2.5]),
        ("SUM(METRICS())", [6, 3, 4.5]),
        ("AVG(METRICS('m1'))", [1, 3, 2]),
        ("MIN(m1)", [1, 1, 1]),
        ("m1 / PERIOD(m1)", [1 / 60, 3 / 60, 2 / 60]),
        ("-m1 ^ 2", [-1, -9, -4]),
        ("CEIL(m2) >= 3", [1, None, 1]),
        ("MAX(FILL([m2, m3], 1))", [5, 1, 2.5]),
    ],
)
def test_metric_math_gives(expression: str, values: list[float | None]) -> None:
    series: dict[str, metricmath.Series] = {"m1": [1, 3, 2], "m2": [5, None, 2.5], "m3": [0, None, None]}
    result = metricmath.evaluate(expression, series, period_s=60, metrics=["m1", "m2"])
    assert result == [value if value is None else pytest.approx(value) for value in values]


@pytest.mark.parametrize(
    "expression", ["__import__('os')", "m1.real", "m1 if m1 else 0", "SEARCH('x', 'Sum')", "[m1, m1]", "m1 < 1 < 2"]
)
def test_metric_math_evaluates_nothing_else(expression: str) -> None:
    with pytest.raises(metricmath.ExpressionError):
        metricmath.evaluate(expression, {"m1": [1.0]}, period_s=60, metrics=["m1"])


@pytest.fixture
def cloudwatch(sagemaker: Any, driven: Any) -> Any:
    any_endpoint(sagemaker)
    driven.advance(5)
    any_component(sagemaker)
    driven.advance(5)
    return SESSION.client("cloudwatch")


def put(cloudwatch: Any, name: str, value: float) -> None:
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=[{"MetricName": name, "Value": value}])


def stat(name: str, kind: str = "Sum") -> dict[str, Any]:
    return {"Metric": {"Namespace": "Shop", "MetricName": name}, "Period": 60, "Stat": kind}


def error_rate(cloudwatch: Any, **more: Any) -> None:
    cloudwatch.put_metric_alarm(
        AlarmName="rate",
        ComparisonOperator="GreaterThanThreshold",
        Threshold=5,
        EvaluationPeriods=1,
        TreatMissingData="notBreaching",
        Metrics=[
            {"Id": "errors", "MetricStat": stat("Errors"), "ReturnData": False},
            {"Id": "all", "MetricStat": stat("Requests"), "ReturnData": False},
            {"Id": "share", "Expression": "IF(all > 0, errors / all, 0)", "ReturnData": False},
            {"Id": "rate", "Expression": "100 * share", "Label": "Errors in percent"},
        ],
        **more,
    )


def state(cloudwatch: Any, name: str = "rate") -> str:
    return str(cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"])


def test_new_alarm_has_insufficient_data_and_keeps_its_state_when_put_again(cloudwatch: Any, driven: Any) -> None:
    error_rate(cloudwatch)
    assert state(cloudwatch) == "INSUFFICIENT_DATA"
    driven.advance(15)
    assert state(cloudwatch) == "OK"
    error_rate(cloudwatch, AlarmDescription="again")
    assert state(cloudwatch) == "OK"


def test_alarm_over_metric_math_goes_there_and_back_and_tells_the_topic(
    cloudwatch: Any, driven: Any, inbox: Any
) -> None:
    topic, read = inbox
    error_rate(cloudwatch, AlarmActions=[topic], OKActions=[topic], AlarmDescription="too many errors")
    driven.advance(15)
    read()
    put(cloudwatch, "Requests", 100)
    put(cloudwatch, "Errors", 4)
    driven.advance(15)
    assert state(cloudwatch) == "OK"
    put(cloudwatch, "Errors", 4)
    driven.advance(15)
    assert state(cloudwatch) == "ALARM"
    ((subject, message),) = read()
    assert subject == 'ALARM: "rate" in US East (N. Virginia)'
    assert (message["OldStateValue"], message["NewStateValue"]) == ("OK", "ALARM")
    assert "[8] (greater than threshold: 5)" in message["NewStateReason"]
    assert message["AlarmDescription"] == "too many errors"
    assert message["Trigger"]["Metrics"][3]["Expression"] == "100 * share"
    driven.advance(60)
    ((subject, message),) = read()
    assert (subject[:2], message["NewStateValue"]) == ("OK", "OK")
    assert read() == []


def test_message_about_one_metric_has_the_trigger_subscribers_parse(cloudwatch: Any, driven: Any, inbox: Any) -> None:
    topic, read = inbox
    cloudwatch.put_metric_alarm(
        AlarmName="slow", Namespace="AWS/SageMaker", MetricName="ModelLatency", ExtendedStatistic="p99", Period=60,
        Dimensions=[{"Name": "InferenceComponentName", "Value": "llama"}], EvaluationPeriods=1, Threshold=2e6,
        ComparisonOperator="GreaterThanThreshold", AlarmActions=[topic],
    )  # fmt: skip
    next(s.components["llama"] for s in stores()).latencies_us = [3e6]
    driven.advance(25)
    ((_, message),) = read()
    trigger = message["Trigger"]
    assert (trigger["MetricName"], trigger["ExtendedStatistic"], trigger["Period"]) == ("ModelLatency", "p99", 60)
    assert trigger["Dimensions"] == [{"name": "InferenceComponentName", "value": "llama"}]


def test_alarm_without_enabled_actions_is_silent(cloudwatch: Any, driven: Any, inbox: Any) -> None:
    topic, read = inbox
    error_rate(cloudwatch, AlarmActions=[topic], ActionsEnabled=False)
    cloudwatch.set_alarm_state(AlarmName="rate", StateValue="ALARM", StateReason="test")
    assert read() == []


def test_state_that_is_set_acts_at_once_and_the_next_evaluation_puts_the_truth_back(
    cloudwatch: Any, driven: Any, inbox: Any
) -> None:
    topic, read = inbox
    error_rate(cloudwatch, AlarmActions=[topic])
    driven.advance(15)
    cloudwatch.set_alarm_state(AlarmName="rate", StateValue="ALARM", StateReason="a test")
    ((_, message),) = read()
    assert message["NewStateReason"] == "a test"
    driven.advance(15)
    assert state(cloudwatch) == "OK"


def test_alarm_whose_topic_is_gone_still_changes_its_state(cloudwatch: Any, driven: Any) -> None:
    error_rate(cloudwatch, AlarmActions=["arn:aws:sns:us-east-1:123456789012:gone"])
    put(cloudwatch, "Requests", 1)
    put(cloudwatch, "Errors", 1)
    driven.advance(15)
    assert state(cloudwatch) == "ALARM"


@pytest.mark.parametrize(("expression", "says"), [("m1 +", "syntax"), ("m1 + m9", "unknown ids ['m9']")])
def test_metric_math_without_meaning_is_refused(cloudwatch: Any, expression: str, says: str) -> None:
    with pytest.raises(ClientError, match=says.replace("[", r"\[")):
        cloudwatch.put_metric_alarm(
            AlarmName="bad",
            ComparisonOperator="GreaterThanThreshold",
            Threshold=1,
            EvaluationPeriods=1,
            Metrics=[
                {"Id": "m1", "MetricStat": stat("Errors"), "ReturnData": False},
                {"Id": "e1", "Expression": expression},
            ],
        )


def test_target_tracking_over_metric_math_scales(cloudwatch: Any, driven: Any) -> None:
    scaling = SESSION.client("application-autoscaling")
    scaling.register_scalable_target(**RESOURCE, MinCapacity=1, MaxCapacity=4)
    dimensions = [{"Name": "InferenceComponentName", "Value": "llama"}]
    metric = {"Namespace": "AWS/SageMaker", "MetricName": "ConcurrentRequestsPerCopy", "Dimensions": dimensions}
    metrics = [
        {"Id": "running", "MetricStat": {"Metric": metric, "Stat": "Maximum"}, "ReturnData": False},
        {"Id": "load", "Expression": "FILL(running, 0) / 2", "ReturnData": True},
    ]
    scaling.put_scaling_policy(
        **RESOURCE,
        PolicyName="math",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 2.0,
            "ScaleOutCooldown": 60,
            "CustomizedMetricSpecification": {"Metrics": metrics},
        },
    )
    component = next(s.components["llama"] for s in stores())
    for _ in range(200):
        for copy in component.copies:
            copy.outstanding = copy.peak = 8
        driven.advance(1)
    assert component.desired == 4
    for copy in component.copies:
        copy.outstanding = 0
    driven.advance(20 * 60)
    assert component.desired == 1


def test_step_policy_acts_on_a_state_that_is_set(cloudwatch: Any, driven: Any) -> None:
    scaling = SESSION.client("application-autoscaling")
    scaling.register_scalable_target(**RESOURCE, MinCapacity=1, MaxCapacity=4)
    steps = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 2}],
    }
    policy = scaling.put_scaling_policy(
        **RESOURCE, PolicyName="step", PolicyType="StepScaling", StepScalingPolicyConfiguration=steps
    )
    error_rate(cloudwatch, AlarmActions=[policy["PolicyARN"]])
    cloudwatch.set_alarm_state(AlarmName="rate", StateValue="ALARM", StateReason="test")
    assert next(s.components["llama"] for s in stores()).desired == 3


def test_alarms_of_a_template_are_evaluated_changed_and_removed(cloudwatch: Any, driven: Any, inbox: Any) -> None:
    topic, read = inbox
    metrics = [
        {"Id": "errors", "MetricStat": stat("Errors"), "ReturnData": False},
        {"Id": "twice", "Expression": "errors * 2", "Label": "twice"},
    ]
    alarm = {
        "AlarmName": "math",
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "EvaluationPeriods": 1,
        "Threshold": 10,
        "Metrics": metrics,
        "AlarmActions": [topic],
    }
    template: dict[str, Any] = {"Resources": {"Math": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm}}}
    cloudformation = SESSION.client("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(template))
    put(cloudwatch, "Errors", 4)
    driven.advance(15)
    assert state(cloudwatch, "math") == "OK"
    alarm["Threshold"] = 8
    cloudformation.update_stack(StackName="s", TemplateBody=json.dumps(template))
    driven.advance(15)
    assert state(cloudwatch, "math") == "ALARM"
    assert read()[-1][1]["AlarmName"] == "math"
    cloudformation.delete_stack(StackName="s")
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_metrics_are_read_back_where_those_of_an_application_stand_beside_the_clouds_own(
    cloudwatch: Any, driven: Any
) -> None:
    driven.advance(65)  # the component publishes its own
    now = driven.utc()
    for timestamp in ({"Timestamp": now}, {"Timestamp": now.astimezone(timezone(timedelta(hours=5)))}, {}):
        cloudwatch.put_metric_data(Namespace="Shop", MetricData=[{"MetricName": "Orders", "Value": 2.0, **timestamp}])
    window = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=1)}
    (orders,) = cloudwatch.get_metric_statistics(
        Namespace="Shop", MetricName="Orders", Period=600, Statistics=["Sum"], **window
    )["Datapoints"]
    assert orders["Sum"] == 6
    own = {
        "Namespace": "AWS/SageMaker",
        "MetricName": "InvocationsPerCopy",
        "Dimensions": [{"Name": "InferenceComponentName", "Value": "llama"}],
    }
    found = cloudwatch.get_metric_data(
        MetricDataQueries=[
            {"Id": "orders", "MetricStat": stat("Orders") | {"Period": 600}},
            {"Id": "own", "MetricStat": {"Metric": own, "Period": 600, "Stat": "SampleCount"}},
        ],
        **window,
    )["MetricDataResults"]
    values = {result["Id"]: result["Values"] for result in found}
    assert values["orders"] == [6]
    assert sum(values["own"]) >= 6  # one in 10 s


def test_metrics_below_a_minute_are_forgotten_after_three_hours(cloudwatch: Any, driven: Any) -> None:
    driven.advance(60)
    begin = driven.utc()
    own = {"Namespace": "AWS/SageMaker", "MetricName": "InvocationsPerCopy"}
    window = {"StartTime": begin - timedelta(minutes=1), "EndTime": begin}
    data = {**own, "Period": 60, "Statistics": ["Sum"], **window}
    assert cloudwatch.get_metric_statistics(**data)["Datapoints"]
    driven.advance(3 * 3600 + 700, step_s=60)
    assert cloudwatch.get_metric_statistics(**data)["Datapoints"] == []


def test_an_alarm_over_hours_looks_at_all_of_its_hours(cloudwatch: Any, driven: Any) -> None:
    failures = {"Namespace": "AWS/SageMaker", "MetricName": "Invocation5XXErrors"}
    cloudwatch.put_metric_alarm(
        AlarmName="day", **failures, Statistic="Sum", Period=6 * 3600, EvaluationPeriods=1, Threshold=5,
        ComparisonOperator="GreaterThanOrEqualToThreshold", TreatMissingData="notBreaching",
    )  # fmt: skip
    cloudwatch.put_metric_data(
        Namespace="AWS/SageMaker", MetricData=[{"MetricName": "Invocation5XXErrors", "Value": 5}]
    )
    driven.advance(5 * 3600, step_s=60)
    assert state(cloudwatch, "day") == "ALARM"
    driven.advance(2 * 3600, step_s=60)
    assert state(cloudwatch, "day") == "OK"
