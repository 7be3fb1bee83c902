"""Every metric that a template names is one that AWS or SGLang publishes: its name, namespace, dimensions, unit and labels.

The facts are those of `cdk_sglang.metrics`; CloudWatch itself accepts any name, and an alarm on a misspelt one never fires.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any, Final

from cdk_sglang.metrics import series as facts
from cdk_sglang.metrics.cloudwatch import STATISTIC, published_metric
from tools.check.metric_uses import ClassicUse, PromqlUse, own_metrics, uses
from tools.check.template_text import UNKNOWN

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_SELECTOR: Final = re.compile(rf"(?P<name>[A-Za-z_:][\w:]*)?\s*\{{(?P<matchers>(?:[^\"{{}}]|{_STRING})*)\}}")
_MATCHER: Final = re.compile(rf"(?P<label>{_STRING}|[A-Za-z_]\w*)\s*(?P<how>=~|!~|!=|=)\s*(?P<value>{_STRING})")
_GROUPING: Final = re.compile(
    rf"\b(?:by|without|on|ignoring|group_left|group_right)\s*\((?P<labels>(?:[^()\"]|{_STRING})*)\)"
)
_LABEL: Final = re.compile(rf"{_STRING}|[A-Za-z_]\w*")
_BARE: Final = re.compile(r"(?<![\w:.])(?P<name>[A-Za-z_:][\w:]*)\b(?!\s*\()")
_WORDS: Final = frozenset(
    {"and", "or", "unless", "bool", "offset", "inf", "nan", "by", "without", "on", "ignoring", "atan2"}
)
_SUFFIXES: Final = ("_bucket", "_sum", "_count")
_LABELS: Final = frozenset(
    {facts.ENDPOINT, facts.VARIANT, facts.COMPONENT, facts.CONTAINER, facts.INSTANCE, facts.INSTANCE_TYPE, facts.GPU}
)


def findings(template: Mapping[str, Any], *, published: Collection[tuple[str, str]] = ()) -> Iterator[tuple[str, str]]:
    """Yield place and message of each metric that nobody publishes.

    Args:
        template: A CloudFormation template.
        published: Namespace and name of metrics that other templates publish; those of its own metric filters are known.
    """
    own = own_metrics(template) | frozenset(published)
    for use in uses(template):
        messages = _of_query(use) if isinstance(use, PromqlUse) else _of_metric(use, own)
        yield from ((use.where, message) for message in messages)


def _of_metric(use: ClassicUse, own: Collection[tuple[str, str]]) -> Iterator[str]:
    if (use.namespace, use.name) in own:
        return
    if use.statistic is not None and not STATISTIC.fullmatch(use.statistic):
        yield f"{use.namespace} {use.name}: CloudWatch has no statistic {use.statistic!r}; use one such as Sum or p99"
    metric = published_metric(use.namespace, use.name)
    if metric is None:
        yield (
            f"nobody publishes {use.namespace} {use.name or 'a metric without a name'}; correct it, or add it with its source to "
            "constructs/cdk_sglang/metrics/data/cloudwatch.csv"
        )
        return
    allowed = metric.dimensions | metric.enhanced
    if use.dimensions not in allowed:
        sets = " or ".join(sorted("+".join(sorted(one)) for one in allowed))
        yield f"{use.namespace} {use.name} is published with {sets}, got {'+'.join(sorted(use.dimensions)) or 'none'}"
    if use.unit is not None and use.unit != metric.unit:
        yield f"{use.namespace} {use.name} has the unit {metric.unit}, got {use.unit}"


def _of_query(use: PromqlUse) -> Iterator[str]:
    known, labels = _names(), _labels()
    for name in sorted(set(_queried_names(use.query)) - known):
        yield (
            f"nobody publishes the series {name}; correct it, or add it with its source to "
            "constructs/cdk_sglang/metrics/data/series.csv"
        )
    for label in sorted(set(_queried_labels(use.query)) - labels):
        yield f"no series has the label {label}; correct it, or add it to the labels of its series in series.csv"


@cache
def _names() -> frozenset[str]:
    """Return the names of series, those of a histogram's parts included."""
    return frozenset(
        f"{name}{suffix}"
        for metric in facts.series().values()
        for name in metric.names
        for suffix in ("", *(_SUFFIXES if metric.kind == "histogram" else ()))
    )


@cache
def _labels() -> frozenset[str]:
    extra = {label for metric in facts.series().values() for label in metric.labels}
    return _LABELS | frozenset(facts.ENGINE_LABELS) | extra | {"le", "__name__"}


def _queried_names(query: str) -> Iterator[str]:
    """Yield the names of the series that a query reads; a value that only a deployment knows is a number of the query."""
    query = query.replace(UNKNOWN, "0")
    for selector in _SELECTOR.finditer(query):
        if selector["name"]:
            yield selector["name"]
        for matcher in _MATCHER.finditer(selector["matchers"]):
            if matcher["label"] == "__name__" and matcher["how"] == "=":
                yield matcher["value"][1:-1]
        first = re.match(rf"\s*({_STRING})\s*(,|$)", selector["matchers"])
        if first:
            yield first[1][1:-1]
    rest = re.sub(_STRING, "", _GROUPING.sub("", _SELECTOR.sub("", query)))
    rest = re.sub(r"\[[^\]]*\]", "", rest)
    yield from (match["name"] for match in _BARE.finditer(rest) if match["name"].lower() not in _WORDS)


def _queried_labels(query: str) -> Iterator[str]:
    """Yield the labels that a query matches or groups by."""
    for selector in _SELECTOR.finditer(query):
        yield from (matcher["label"].strip('"') for matcher in _MATCHER.finditer(selector["matchers"]))
    for grouping in _GROUPING.finditer(query):
        yield from (match[0].strip('"') for match in _LABEL.finditer(grouping["labels"]))
