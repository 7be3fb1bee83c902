"""Where a template names metrics: alarms, dashboards, scaling policies, SEARCH expressions and PromQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tools.check.template_text import text_of

_SEARCH: Final = re.compile(r"""SEARCH\(\s*'\{(?P<schema>[^}]*)\}(?P<terms>[^']*)'\s*,\s*'(?P<statistic>[^']*)'""")
_SEARCHED_NAME: Final = re.compile(r"""MetricName\s*=\s*"?([\w:]+)"?""")


@dataclass(frozen=True, kw_only=True)
class ClassicUse:
    """A classic metric that a template names.

    Attributes:
        where: Logical id of the resource, and the place in it.
        namespace: CloudWatch namespace.
        name: Name of the metric.
        dimensions: Names of its dimensions.
        statistic: Statistic; None if the resource leaves it out.
        unit: Unit; None if the resource leaves it out.
    """

    where: str
    namespace: str
    name: str
    dimensions: frozenset[str]
    statistic: str | None = None
    unit: str | None = None


@dataclass(frozen=True, kw_only=True)
class PromqlUse:
    """A PromQL query in a template.

    Attributes:
        where: Logical id of the resource, and the place in it.
        query: The query.
    """

    where: str
    query: str


Use: TypeAlias = ClassicUse | PromqlUse


def uses(template: Mapping[str, Any]) -> Iterator[Use]:
    """Yield every metric and query that a template names."""
    readers = {
        "AWS::CloudWatch::Alarm": _of_alarm,
        "AWS::CloudWatch::Dashboard": _of_dashboard,
        "AWS::ApplicationAutoScaling::ScalingPolicy": _of_policy,
    }
    for logical_id, resource in template.get("Resources", {}).items():
        reader = readers.get(resource.get("Type"))
        if reader is not None:
            yield from reader(logical_id, resource.get("Properties", {}))


def own_metrics(template: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Return namespace and name of the metrics that a template's own metric filters publish."""
    return frozenset(
        (text_of(transformation["MetricNamespace"]), text_of(transformation["MetricName"]))
        for resource in template.get("Resources", {}).values()
        if resource.get("Type") == "AWS::Logs::MetricFilter"
        for transformation in resource["Properties"]["MetricTransformations"]
    )


def _of_alarm(where: str, alarm: Mapping[str, Any]) -> Iterator[Use]:
    if "MetricName" in alarm:
        yield _one(where, alarm, statistic=alarm.get("Statistic") or alarm.get("ExtendedStatistic"))
    for entry in alarm.get("Metrics", ()):
        yield from _of_query(f"{where}.{entry.get('Id')}", entry)
    promql = alarm.get("EvaluationCriteria", {}).get("PromQLCriteria")
    if promql is not None:
        yield PromqlUse(where=where, query=text_of(promql["Query"]))


def _of_policy(where: str, policy: Mapping[str, Any]) -> Iterator[Use]:
    tracking = policy.get("TargetTrackingScalingPolicyConfiguration", {})
    metric = tracking.get("CustomizedMetricSpecification", {})
    if "MetricName" in metric:
        yield _one(where, metric, statistic=metric.get("Statistic"))
    for entry in metric.get("Metrics", ()):
        yield from _of_query(f"{where}.{entry.get('Id')}", entry)


def _of_query(where: str, entry: Mapping[str, Any]) -> Iterator[Use]:
    """Yield what an entry of an alarm's or a policy's `Metrics` names."""
    stat = entry.get("MetricStat")
    if stat is not None:
        yield _one(where, stat["Metric"], statistic=stat.get("Stat"), unit=stat.get("Unit"))
    yield from _of_expression(where, text_of(entry.get("Expression", "")))


def _one(where: str, metric: Mapping[str, Any], *, statistic: str | None, unit: str | None = None) -> ClassicUse:
    return ClassicUse(
        where=where,
        namespace=text_of(metric.get("Namespace", "")),
        name=text_of(metric["MetricName"]),
        dimensions=frozenset(text_of(dimension["Name"]) for dimension in metric.get("Dimensions", ())),
        statistic=statistic,
        unit=unit or metric.get("Unit"),
    )


def _of_expression(where: str, expression: str) -> Iterator[ClassicUse]:
    """Yield the metrics of an expression's SEARCHes; a SEARCH without the name of a metric yields an empty name."""
    for search in _SEARCH.finditer(expression):
        namespace, *dimensions = (part.strip().strip('"') for part in search["schema"].split(","))
        for name in _SEARCHED_NAME.findall(search["terms"]) or [""]:
            yield ClassicUse(
                where=where,
                namespace=namespace,
                name=name,
                dimensions=frozenset(dimensions),
                statistic=search["statistic"],
            )
    if "SEARCH(" in expression and not _SEARCH.search(expression):
        yield ClassicUse(where=where, namespace=expression, name="", dimensions=frozenset())


def _of_dashboard(where: str, dashboard: Mapping[str, Any]) -> Iterator[Use]:
    body = json.loads(text_of(dashboard["DashboardBody"]))
    for number, widget in enumerate(body["widgets"]):
        properties = widget.get("properties", {})
        place = f"{where}.widgets[{number}]"
        if widget["type"] == "metric":
            yield from _of_rows(place, properties.get("metrics", ()), properties.get("stat"))
        if widget["type"] == "chart":
            for query in properties["data"]["queries"]:
                if query["language"] == "PromQL":
                    yield PromqlUse(where=place, query=query["query"])


def _of_rows(where: str, rows: Sequence[Sequence[Any]], default: str | None) -> Iterator[ClassicUse]:
    """Yield the metrics of a widget's rows, in which `.` repeats a field of the row before, and `...` its beginning.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Dashboard-Body-Structure.html (read 2026-11)
    """
    before: list[str] = []
    for row in rows:
        fields = [field for field in row if isinstance(field, str)]
        options = next((field for field in row if isinstance(field, dict)), {})
        if not fields:
            yield from _of_expression(where, options.get("expression", ""))
            continue
        if fields[0] == "...":
            fields = before[: len(before) - len(fields) + 1] + fields[1:]
        fields = [before[index] if field == "." else field for index, field in enumerate(fields)]
        before = fields
        yield ClassicUse(
            where=where,
            namespace=fields[0],
            name=fields[1],
            dimensions=frozenset(fields[2::2]),
            statistic=options.get("stat", default),
        )
