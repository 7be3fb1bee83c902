"""How many copies a component has, and what decides it: bounds, one target, and hours with bounds of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, TypeAlias

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.component.planned import EXPECTED_INPUT_TOKENS, EXPECTED_OUTPUT_TOKENS
from cdk_sglang.serving.scaling.schedule_checks import window_problems
from cdk_sglang.serving.scaling.schedules import Bounds, NightlyStop, Window, skipped_problems
from cdk_sglang.serving.scaling.time_zones import zone_problems
from cdk_sglang.serving.shared.tokens import is_token, token_problem

WAKE_PERIODS_SECONDS: Final = (10, 30, 60)
"""Periods of an alarm that reacts within a minute:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html (read 2026-11)."""

_COOLDOWN_MAX_SECONDS: Final = 86_400
"""Not a limit of AWS: a cooldown of more than a day is a mistake in the unit."""

_STOP: Final = "nightly-stop"
"""The schedule that an endpoint's nightly stop becomes."""


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Concurrency:
    """Requests in flight per copy, queued ones and open streams counted, in 10-second points.

    Args:
        requests_per_copy: Above it a copy is added; above 0. By default what the plan of the model says: as many requests of the
            expected length as the KV cache holds, with room for what arrives while a copy starts.
        input_tokens: Mean prompt expected; the plan reads it.
        output_tokens: Mean answer expected; the plan reads it.
    """

    requests_per_copy: float | None = None
    input_tokens: float = EXPECTED_INPUT_TOKENS
    output_tokens: float = EXPECTED_OUTPUT_TOKENS


@checked_fields
@dataclass(frozen=True, kw_only=True)
class InvocationsPerMinute:
    """Requests per copy and minute; for requests that all cost about the same.

    Args:
        per_copy: Above it a copy is added; above 0.
    """

    per_copy: float


@checked_fields
@dataclass(frozen=True, kw_only=True)
class MetricStat:
    """One metric of a formula.

    Args:
        metric_name: As it is published.
        statistic: Such as Average, Sum or p90.
        namespace: Of the metric; SageMaker's invocation metrics by default.
        dimensions: The component's own by default, `{"InferenceComponentName": <name>}`.
    """

    metric_name: str
    statistic: str
    namespace: str = "AWS/SageMaker"
    dimensions: Mapping[str, str] | None = None


@checked_fields
@dataclass(frozen=True, kw_only=True)
class MetricMath:
    """A formula over metrics; its value must fall as copies are added, since that is what target tracking relies on.

    Args:
        expression: CloudWatch metric math over the ids of `metrics`, such as "waiting / copies".
        metrics: By id, lower-case letters, digits and underscores.
        target: Value to keep; above 0.
    """

    expression: str
    metrics: Mapping[str, MetricStat]
    target: float


ScalingTarget: TypeAlias = Concurrency | InvocationsPerMinute | MetricMath


@checked_fields
@dataclass(frozen=True, kw_only=True)
class ComponentScaling:
    """Copies of one component between two bounds, on its own.

    `min_copies=0` is scale to zero: the last copy goes when nothing is asked, its instance after it, and one request wakes the component. That
    request fails at once, and so do those of the next minutes (`cdk_sglang.client` waits for you).

    Args:
        min_copies: Always running; 0 or more.
        max_copies: Never more; 1 or more, and no less than `min_copies`.
        target: What a copy is to bear; the planned requests in flight by default.
        scale_out_cooldown_seconds: Between two steps up; 60 by default.
        scale_in_cooldown_seconds: Between two steps down; 300 by default.
        wake_after_seconds: With copies at zero, how long requests fail before a copy is asked for; 10, 30 or 60, 30 by default.
        schedules: Hours with other bounds, by name; none overlap.
        time_zone: Of the schedules; UTC by default.

    Raises:
        ConfigurationError: With every problem.
    """

    min_copies: int
    max_copies: int
    target: ScalingTarget = field(default_factory=Concurrency)
    scale_out_cooldown_seconds: int = 60
    scale_in_cooldown_seconds: int = 300
    wake_after_seconds: int = 30
    schedules: Mapping[str, Window] = field(default_factory=lambda: MappingProxyType({}))
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        problems = _bounds_problems(self.min_copies, self.max_copies)
        problems += _target_problems(self.target)
        for name in ("scale_out_cooldown_seconds", "scale_in_cooldown_seconds"):
            value = getattr(self, name)
            if not 0 <= value <= _COOLDOWN_MAX_SECONDS:
                problems.append(Problem(f"scaling.{name}", f"{value} is not allowed; use 0 to {_COOLDOWN_MAX_SECONDS}"))
        if self.wake_after_seconds not in WAKE_PERIODS_SECONDS:
            problems.append(
                Problem("scaling.wake_after_seconds", f"{self.wake_after_seconds} is not allowed; use 10, 30 or 60")
            )
        problems += zone_problems("scaling.time_zone", self.time_zone)
        if not problems:
            problems += window_problems("scaling.schedules", self.schedules, self.own_bounds)
            for name, window in self.schedules.items():
                problems += skipped_problems(f"scaling.schedules.{name}.", window, self.time_zone)
        if problems:
            raise ConfigurationError(problems)

    @staticmethod
    @checked()
    def fixed(copies: int, *, schedules: Mapping[str, Window], time_zone: str = "UTC") -> ComponentScaling:
        """So many copies, and other bounds at certain hours; nothing else changes them.

        Args:
            copies: Number of copies outside of the schedules.
            schedules: Hours with other bounds, by name.
            time_zone: IANA time zone of the schedules, for example Europe/Berlin.
        """
        return ComponentScaling(min_copies=copies, max_copies=copies, schedules=schedules, time_zone=time_zone)

    @checked()
    def stopped_nightly(self, stop: NightlyStop) -> ComponentScaling:
        """The same, and no copies in those hours.

        Args:
            stop: Hours without copies.

        Raises:
            ConfigurationError: The hours overlap a schedule, the schedules are in another time zone, or one has the stop's name.
        """
        if _STOP in self.schedules:
            problem = Problem(
                f"scaling.schedules.{_STOP}", "is the name of the endpoint's nightly_stop; give the schedule another"
            )
            raise ConfigurationError([problem])
        if self.schedules and self.time_zone != stop.time_zone:
            problem = Problem(
                "scaling.time_zone",
                f"{self.time_zone} differs from that of nightly_stop, {stop.time_zone}; the schedules of a component share one time zone",
            )
            raise ConfigurationError([problem])
        return replace(self, schedules={**self.schedules, _STOP: stop.window}, time_zone=stop.time_zone)

    @property
    def own_bounds(self) -> Bounds:
        """Fewest and most copies outside of schedules."""
        return self.min_copies, self.max_copies

    @property
    def all_bounds(self) -> tuple[Bounds, ...]:
        """Every pair of bounds that can hold, the component's own first."""
        others = (window.bounds(self.own_bounds) for window in self.schedules.values())
        return tuple(dict.fromkeys((self.own_bounds, *others)))

    @property
    def copy_bounds(self) -> Bounds:
        """Fewest and most copies at any hour."""
        return min(low for low, _ in self.all_bounds), max(high for _, high in self.all_bounds)

    @property
    def has_policy(self) -> bool:
        """Whether load changes the copies, at some hour at least."""
        return any(low != high for low, high in self.all_bounds)

    @property
    def wakes(self) -> bool:
        """Whether copies can be at zero while a request may bring one."""
        return any(low == 0 < high for low, high in self.all_bounds)


def _bounds_problems(low: int, high: int) -> list[Problem]:
    tokens = [
        token_problem(f"scaling.{name}", "the number itself")
        for name, value in (("min_copies", low), ("max_copies", high))
        if is_token(value)
    ]
    if tokens:
        return tokens
    problems = []
    if low < 0:
        problems.append(Problem("scaling.min_copies", f"{low} is not allowed; use 0 or more"))
    if high < 1:
        problems.append(Problem("scaling.max_copies", f"{high} is not allowed; use 1 or more"))
    elif high < low:
        problems.append(Problem("scaling.max_copies", f"{high} is below min_copies {low}; raise it to {low} or more"))
    return problems


def _target_problems(target: ScalingTarget) -> list[Problem]:
    match target:
        case Concurrency(requests_per_copy=value):
            name = "concurrency"
        case InvocationsPerMinute(per_copy=value):
            name = "invocations_per_minute"
        case MetricMath(target=value):
            name = "metric.target"
    problems = []
    if value is not None and not is_token(value) and not 0 < value < float("inf"):
        problems.append(Problem(f"scaling.{name}", f"{value} is not allowed; use a number above 0"))
    if isinstance(target, MetricMath) and not target.metrics:
        problems.append(Problem("scaling.metric.metrics", "none given; name the metrics that the expression uses"))
    return problems
