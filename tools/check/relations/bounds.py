"""Numbers beside each other: a least is at most its most, and what is counted or timed has a range that no schema states."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from zoneinfo import available_timezones

from tools.check.graph import Graph, Path_, dotted, is_intrinsic, listed

ORDERED: Final = (
    ("Fewest", "Most"),
    ("Fewest", "Initial"),
    ("Initial", "Most"),
    ("FromPort", "ToPort"),
    ("IdleRuntimeSessionTimeout", "MaxLifetime"),
)
"""Properties of one object of which the first is at most the second, beside those that are called Min and Max of the same:
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html,
https://docs.aws.amazon.com/bedrock-agentcore-control/latest/APIReference/API_LifecycleConfiguration.html (read 2026-12), and this project's copies."""

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "FromPort": (-1, 65_535),
    "ToPort": (-1, 65_535),
    "ServiceTimeout": (1, 3600),
    "IdleRuntimeSessionTimeout": (60, 28_800),
    "MaxLifetime": (60, 28_800),
    "ActionsSuppressorWaitPeriod": (0, 86_400),
    "ActionsSuppressorExtensionPeriod": (0, 86_400),
    "Initial": (0, 10_000),
    "Fewest": (0, 10_000),
    "Most": (0, 10_000),
}
"""Least and most of whole numbers: the pages above, and
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html (read 2026-12)."""

PERCENTS: Final[Mapping[str, tuple[float, float]]] = {
    "MaximumBatchSize": (5, 50),
    "RollbackMaximumBatchSize": (5, 100),
}
"""Least and most of a share of the copies (`Type: CAPACITY_PERCENT`):
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InferenceComponentRollingUpdatePolicy.html (read 2026-12)."""


FORMS: Final[Mapping[str, str]] = {
    "MetricValue": r"\$[\w.@$-]+|-?\d+(\.\d+)?",
    "Schedule": r"(cron|rate|at)\(.+\)",
    "ScheduleExpression": r"(cron|rate|at)\(.+\)",
}
"""Patterns of texts whose form only the service knows, by property:
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_MetricTransformation.html and
https://docs.aws.amazon.com/autoscaling/application/APIReference/API_ScheduledAction.html (read 2026-12)."""

_ZONES: Final = ("Timezone", "ScheduleExpressionTimezone")


def findings(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield place and message of each number that is out of its range, or larger than what it is at most, and of each text of no form."""
    for name, resource in graph.resources.items():
        for path, one in _objects(resource.get("Properties", {}), ()):
            place = f"{name}.{dotted(path)}".rstrip(".")
            yield from ((place, message) for message in (*_of_numbers(one), *_of_texts(one)))


def _of_numbers(one: Mapping[str, Any]) -> Iterator[str]:
    is_icmp = str(one.get("IpProtocol")).startswith("icmp") or one.get("IpProtocol") == "1"  # ports are type and code
    for less, more in () if is_icmp else (*ORDERED, *_named(one)):
        first, second = _number(one.get(less)), _number(one.get(more))
        if first is not None and second is not None and first > second:
            yield f"{less} {first:g} is more than {more} {second:g}"
    for key, (least, most) in RANGES.items():
        value = _number(one.get(key))
        if value is not None and not (least <= value <= most and value == int(value)):
            yield f"{key} {value:g} is no whole number of {least:g} to {most:g}"
    for key, (least, most) in PERCENTS.items():
        share = one.get(key)
        value = _number(share.get("Value")) if isinstance(share, Mapping) else None
        if (
            value is not None
            and isinstance(share, Mapping)
            and share.get("Type") == "CAPACITY_PERCENT"
            and not least <= value <= most
        ):
            yield f"{key} is {value:g} percent, SageMaker takes {least:g} to {most:g}"


def _of_texts(one: Mapping[str, Any]) -> Iterator[str]:
    for key, pattern in FORMS.items():
        if isinstance(one.get(key), str) and not re.fullmatch(pattern, one[key]):
            yield f"{key} {one[key]!r} does not match {pattern}"
    for key in _ZONES:
        if isinstance(one.get(key), str) and one[key] not in available_timezones():
            yield f"{key} {one[key]!r} is no time zone"


def _named(one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in one:
        for least, most in (("Min", "Max"), ("Minimum", "Maximum")):
            if key.startswith(least) and (other := most + key.removeprefix(least)) in one:
                yield key, other


def _objects(value: object, path: Path_) -> Iterator[tuple[Path_, Mapping[str, Any]]]:
    if isinstance(value, Mapping) and not is_intrinsic(value):
        yield path, value
        for key, item in value.items():
            yield from _objects(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(listed(value)):
            yield from _objects(item, (*path, index))


def _number(value: object) -> float | None:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
