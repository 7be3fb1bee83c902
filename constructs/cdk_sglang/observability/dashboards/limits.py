"""CloudWatch's limits of dashboards, checked before anything is deployed. No CDK."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cdk_sglang.errors import Problem

MAX_WIDGETS: Final = 500
"""Widgets of a dashboard (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Dashboard-Body-Structure.html, read 2026-11)."""
MAX_METRICS_PER_WIDGET: Final = 500
MAX_METRICS: Final = 2500
"""Metrics of a widget and of a dashboard; no account can raise them
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html, read 2026-11)."""
MAX_QUERY_CHARACTERS: Final = 10_000
"""Characters of a PromQL query, as AWS::CloudWatch::Alarm limits its own (schema of EvaluationCriteria, read 2026-11); the page of the chart
widget names no limit."""
MAX_TEMPLATE_BYTES: Final = 1_000_000
"""Bytes of a CloudFormation template in S3 (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html, read
2026-11). No page names a limit of a dashboard's body."""
MAX_BODIES_BYTES: Final = 950_000
"""Bytes of the bodies of all dashboards of a stack as its template holds them; the rest is for what is around them, some 300 bytes each."""
COLUMNS: Final = 24
"""Columns of a dashboard's grid (the page of its body, above)."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
"""Name of a dashboard (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html, read 2026-11)."""
_HIGH_RESOLUTION: Final = frozenset({1, 5, 10, 20, 30})
"""Periods below a minute (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html, read 2026-11)."""


def period_problems(path: str, seconds: int) -> list[Problem]:
    """Return a problem if CloudWatch does not accept a period.

    Args:
        path: Path of the period.
        seconds: The period.
    """
    if seconds in _HIGH_RESOLUTION or (seconds > 0 and seconds % 60 == 0):
        return []
    return [Problem(path, f"{seconds} s is not allowed; use 1, 5, 10, 20, 30 or a multiple of 60 seconds")]


def query_problems(path: str, query: str) -> list[Problem]:
    """Return a problem if a query is empty or too long.

    Args:
        path: Path of the query.
        query: The query in PromQL.
    """
    if not query.strip():
        return [Problem(path, "is empty; give a query in PromQL")]
    if len(query) > MAX_QUERY_CHARACTERS:
        return [
            Problem(
                path,
                f"has {len(query)} characters, CloudWatch takes {MAX_QUERY_CHARACTERS}; aggregate with `by`, or split the chart",
            )
        ]
    return []


def metric_problems(path: str, count: int) -> list[Problem]:
    """Return a problem if a widget has more metrics than CloudWatch allows.

    Args:
        path: Path of the widget's metrics or queries.
        count: Number of them.
    """
    if count > MAX_METRICS_PER_WIDGET:
        return [
            Problem(path, f"{count} metrics, a widget takes {MAX_METRICS_PER_WIDGET}; aggregate or split the chart")
        ]
    return []


def dashboard_problems(path: str, name: str, body: Mapping[str, Any]) -> list[Problem]:
    """Return the CloudWatch limits that a dashboard exceeds.

    Args:
        path: Path of the dashboard.
        name: Its name in CloudWatch.
        body: Its body.
    """
    widgets: list[Mapping[str, Any]] = body["widgets"]
    problems = []
    if not _NAME.fullmatch(name):
        problems.append(
            Problem(
                path, f"dashboard name {name!r} is not allowed; use up to 255 letters, digits, hyphens and underscores"
            )
        )
    if len(widgets) > MAX_WIDGETS:
        problems.append(Problem(path, f"{len(widgets)} widgets, a dashboard takes {MAX_WIDGETS}; split the dashboard"))
    counts = [_metrics_of(widget["properties"]) for widget in widgets]
    for widget, count in zip(widgets, counts, strict=True):
        problems += metric_problems(f"{path}.{widget['properties'].get('title', 'widget')}", count)
    if sum(counts) > MAX_METRICS:
        problems.append(Problem(path, f"{sum(counts)} metrics, a dashboard takes {MAX_METRICS}; split the dashboard"))
    return problems


def size_in_template(bodies: Iterable[str]) -> int:
    """Return the bytes of bodies as a template holds them, where a quotation mark takes two.

    Args:
        bodies: Bodies of a stack's dashboards.
    """
    return sum(len(json.dumps(body)) for body in bodies)


def body_json(body: Mapping[str, Any]) -> str:
    """Return a dashboard's body as CloudWatch takes it, without spaces."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def _metrics_of(properties: Mapping[str, Any]) -> int:
    queries: Iterable[object] = properties.get("data", {}).get("queries", ())
    metrics: Iterable[object] = properties.get("metrics", ())
    return sum(1 for _ in queries) + sum(1 for _ in metrics)
