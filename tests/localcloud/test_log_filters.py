"""Metric filters that count lines of logs, and saved queries."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.cloudwatch.models import cloudwatch_backends

from localcloud.aws.hosting import logs as container_logs
from localcloud.aws.hosting.store import store
from localcloud.aws.metrics import log_patterns
from tests.localcloud.helpers import SESSION

GROUP = "/aws/sagemaker/InferenceComponents/llama"


@pytest.mark.parametrize(
    ("pattern", "line", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("CUDA memory", "memory of CUDA", True),
        ("CUDA memory", "CUDA", False),
        ('"out of memory"', "CUDA out of memory.", True),
        ('"out of memory"', "out of my memory", False),
        ('?NCCL ?"Xid 79"', "NVRM: Xid 79", True),
        ("?NCCL ?Xid", "fine", False),
        ("ERROR -benign", "ERROR benign", False),
        ("ERROR -benign", "ERROR", True),
        ("ERROR ?WARN", "WARN", False),
        (r"%Xid [0-9]+%", "NVRM: Xid 79", True),
        (r'"say \"hi\""', 'say "hi" now', True),
        ('{ $.level = "error" }', '{"level": "error"}', True),
        ('{ $.level = "err*" }', '{"level": "error"}', True),
        ('{ $.level != "error" }', '{"level": "info"}', True),
        ('{ $.level != "error" }', '{"other": 1}', False),
        ("{ $.status >= 500 }", '{"status": 503}', True),
        ("{ $.status >= 500 }", '{"status": "503"}', False),
        ("{ $.status = 503 }", '{"status": 503}', True),
        ('{ $.error.code = 7 && $.tags[1] = "b" }', '{"error": {"code": 7}, "tags": ["a", "b"]}', True),
        ("{ ($.a = 1 || $.b = 1) && $.c IS TRUE }", '{"b": 1, "c": true}', True),
        ("{ $.a IS NULL }", '{"a": null}', True),
        ("{ $.a IS NULL }", "{}", False),
        ("{ $.a NOT EXISTS }", "{}", True),
        ("{ $.message = %Xid% }", '{"message": "an Xid"}', True),
        ("{ $.status >= 500 }", "no JSON", False),
    ],
)
def test_pattern_matches(pattern: str, line: str, matches: bool) -> None:
    assert log_patterns.compiled(pattern)(line) is matches


@pytest.mark.parametrize(
    "pattern", ['"open', "{ $.a = 1", "{ a = 1 }", "{ $.a }", "{ $.a > x }", "{ $.a = 1 && }", "%(%", "[ip, user]", "{ ($.a = 1 }"]
)  # fmt: skip
def test_pattern_without_meaning_is_refused(pattern: str) -> None:
    with pytest.raises(log_patterns.PatternError):
        log_patterns.compiled(pattern)


@pytest.fixture
def group(driven: Any) -> Any:
    store("123456789012", "us-east-1")  # alarms are evaluated where SageMaker is in use
    logs = SESSION.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    return logs


def put(logs: Any, pattern: str, name: str = "f", group: str = GROUP, **transformation: Any) -> None:
    metric = {"metricName": "Failures", "metricNamespace": "Engine", "metricValue": "1"} | transformation
    logs.put_metric_filter(logGroupName=group, filterName=name, filterPattern=pattern, metricTransformations=[metric])


def values(name: str = "Failures") -> list[float]:
    return [d.value for d in cloudwatch_backends["123456789012"]["us-east-1"].metric_data if d.name == name]


def test_lines_of_a_container_are_counted(group: Any, driven: Any) -> None:
    put(group, '?"CUDA error" ?"NCCL"')
    with container_logs.stream("123456789012", "us-east-1", "llama", "copy") as write:
        for line in ("started", "CUDA error: device-side assert", "NCCL watchdog", "NCCL watchdog"):
            write(line)
    assert values() == [1, 1, 1]
    SESSION.client("cloudwatch").put_metric_alarm(
        AlarmName="engine", Namespace="Engine", MetricName="Failures", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=2, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    driven.advance(11)
    (alarm,) = SESSION.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert alarm["StateValue"] == "ALARM"


def test_lines_count_however_far_the_clock_was_moved(group: Any, driven: Any) -> None:
    put(group, "NCCL")
    driven.advance(30 * 86400, step_s=86400)
    with container_logs.stream("123456789012", "us-east-1", "llama", "copy") as write:
        write("NCCL")
    assert values() == [1]


def test_filter_that_is_put_again_counts_once_and_one_that_is_deleted_never(group: Any, driven: Any) -> None:
    put(group, "NCCL")
    put(group, "Xid")
    put(group, "other", name="g")
    with container_logs.stream("123456789012", "us-east-1", "llama", "copy") as write:
        write("NCCL Xid")
        assert values() == [1]
        for name in ("f", "g"):
            group.delete_metric_filter(logGroupName=GROUP, filterName=name)
        write("NCCL Xid other")
    assert values() == [1]
    assert group.describe_metric_filters()["metricFilters"] == []


def test_value_and_dimensions_come_from_the_line(group: Any, driven: Any) -> None:
    put(group, '{ $.event = "done" }', metricValue="$.tokens", dimensions={"Adapter": "$.adapter"}, unit="Count")
    with container_logs.stream("123456789012", "us-east-1", "llama", "copy") as write:
        write(json.dumps({"event": "done", "tokens": 12.5, "adapter": "legal"}))
        write(json.dumps({"event": "done", "tokens": "many", "adapter": "legal"}))
        write(json.dumps({"event": "done", "tokens": 3}))
    (datum,) = [d for d in cloudwatch_backends["123456789012"]["us-east-1"].metric_data if d.name == "Failures"]
    assert (datum.value, datum.unit) == (12.5, "Count")
    assert [(x.name, x.value) for x in datum.dimensions] == [("Adapter", "legal")]


def test_default_value_is_published_for_minutes_with_other_lines_alone(group: Any, driven: Any) -> None:
    put(group, "NCCL", defaultValue=0)
    driven.advance(60 - driven.now() % 60 + 1)
    with container_logs.stream("123456789012", "us-east-1", "llama", "copy") as write:
        write("fine")
        driven.advance(60)
        assert values() == [0]
        write("fine")
        write("NCCL")
        write("fine")
        driven.advance(60)
        assert values() == [0, 1]
        driven.advance(120)  # silence
    assert values() == [0, 1]


def test_filter_with_a_wrong_pattern_or_group_is_refused(group: Any) -> None:
    with pytest.raises(ClientError, match="InvalidParameterException"):
        put(group, "{ $.a }")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        put(group, "NCCL", group="/nowhere")


def test_filters_and_queries_of_a_template_are_changed_and_removed(group: Any, driven: Any) -> None:
    transformation = {"MetricName": "Failures", "MetricNamespace": "Engine", "MetricValue": "1", "DefaultValue": 0}
    counted = {"LogGroupName": GROUP, "FilterPattern": "NCCL", "MetricTransformations": [transformation]}
    query = {"Name": "engine/failures", "QueryString": "fields @message", "LogGroupNames": [GROUP]}
    template = {
        "Resources": {
            "Filter": {"Type": "AWS::Logs::MetricFilter", "Properties": counted},
            "Query": {"Type": "AWS::Logs::QueryDefinition", "Properties": query},
        }
    }
    cloudformation = SESSION.client("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(template))
    (before,) = group.describe_query_definitions(queryDefinitionNamePrefix="engine/")["queryDefinitions"]
    counted["FilterPattern"], query["QueryString"] = "Xid", "fields @timestamp"
    cloudformation.update_stack(StackName="s", TemplateBody=json.dumps(template))
    (after,) = group.describe_query_definitions()["queryDefinitions"]
    assert (after["queryDefinitionId"], after["queryString"]) == (before["queryDefinitionId"], "fields @timestamp")
    (found,) = group.describe_metric_filters()["metricFilters"]
    assert found["filterPattern"] == "Xid"
    cloudformation.delete_stack(StackName="s")
    assert group.describe_query_definitions()["queryDefinitions"] == []
    assert group.describe_metric_filters()["metricFilters"] == []
    template["Resources"]["Filter"]["Properties"]["LogGroupName"] = "/nowhere"
    cloudformation.create_stack(StackName="t", TemplateBody=json.dumps(template))
    assert cloudformation.describe_stacks(StackName="t")["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE"
    api = group.put_query_definition(name="mine", queryString="fields @message")["queryDefinitionId"]
    assert group.delete_query_definition(queryDefinitionId=api)["success"]
