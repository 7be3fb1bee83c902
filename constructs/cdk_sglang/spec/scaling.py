"""How many copies a component has, and what decides it: bounds, one target, and schedules with their own bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, PlainValidator, model_validator
from pydantic.json_schema import SkipJsonSchema

from cdk_sglang.arguments import checked
from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.spec.kinds import Name
from cdk_sglang.spec.load import Load
from cdk_sglang.spec.schedule_checks import window_problems
from cdk_sglang.spec.schedules import COPIES_MAX, Bounds, Copies, NightlyStop, Window, skipped_problems
from cdk_sglang.spec.time_zones import TimeZone
from cdk_sglang.tokens import OrToken
from cdk_sglang.validation import Spec
from cdk_sglang.wording import shown

COOLDOWN_MAX_SECONDS: Final = 86_400
"""Not a limit of AWS: a cooldown of more than a day is assumed to be a unit mistake."""

_STOP: Final = "nightly-stop"
"""Name of the schedule that represents an endpoint's nightly stop."""

RequestsPerCopy = Annotated[float, Field(gt=0, le=100_000), OrToken]
InvocationsPerCopy = Annotated[float, Field(gt=0, le=1_000_000), OrToken]
Cooldown = Annotated[int, Field(ge=0, le=COOLDOWN_MAX_SECONDS)]


class Concurrency(Load):
    """Requests in flight per copy, including queued requests and open streams, measured every 10 seconds."""

    _noun: ClassVar[str] = "concurrency"

    requests_per_copy: RequestsPerCopy | None = None
    """Requests in flight per copy at which a copy is added. By default the value that the model's plan gives: as many requests of the expected
    length as the KV cache holds, with room for those that arrive while a copy starts."""


class InvocationsPerMinute(Spec):
    """Requests per copy and minute; suits requests that all cost about the same."""

    _noun: ClassVar[str] = "invocations_per_minute"

    per_copy: InvocationsPerCopy
    """Requests per copy and minute at which a copy is added."""


class MetricStat(Spec):
    """One CloudWatch metric of a formula."""

    _noun: ClassVar[str] = "metric"

    metric_name: str = Field(validation_alias="name", serialization_alias="name")
    """Name of the metric as published, such as ConcurrentRequestsPerCopy."""
    statistic: str
    """CloudWatch statistic of the metric, such as Average, Sum or p90."""
    namespace: str = "AWS/SageMaker"
    """CloudWatch namespace of the metric; SageMaker's invocation metrics by default."""
    dimensions: Mapping[str, str] | None = None
    """CloudWatch dimensions of the metric; the component's own by default."""


class MetricMath(Spec):
    """A formula over metrics. Its value must fall as copies are added: target tracking relies on that."""

    _noun: ClassVar[str] = "metric"

    expression: str
    """CloudWatch metric math over the ids of `metrics`, such as "waiting / copies"."""
    metrics: Mapping[str, MetricStat] = Field(min_length=1, max_length=9)
    """Metrics by id: lower-case letters, digits and underscores."""
    target: Annotated[float, Field(gt=0), OrToken]
    """Value of the formula that scaling maintains."""


ScalingTarget: TypeAlias = Concurrency | InvocationsPerMinute | MetricMath


def _target(value: object) -> object:
    if value is None or isinstance(value, Concurrency | InvocationsPerMinute | MetricMath):
        return value
    raise ValueError(
        f"takes Concurrency(...), InvocationsPerMinute(...) or MetricMath(...), got {shown(value)}; "
        "in an environment file write concurrency, invocations_per_minute or metric instead"
    )


class ComponentScaling(Spec):
    """Bounds within which load and schedules change the number of copies; at most one of concurrency, invocations_per_minute and metric."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["invocations_per_minute", "metric"]}})
    _noun: ClassVar[str] = "scaling"

    min_copies: Copies
    """Minimum number of copies, which always run. 0 enables scale to zero: without requests the last copy is removed, and then its instance. The
    next request fails and wakes the component; requests of the following minutes fail too (`cdk_sglang.client` waits)."""
    max_copies: int = Field(ge=1, le=COPIES_MAX)
    """Maximum number of copies."""
    concurrency: RequestsPerCopy | None = None
    """Requests in flight per copy at which a copy is added; by default the value that the model's plan gives."""
    invocations_per_minute: InvocationsPerCopy | None = None
    """Requests per copy and minute at which a copy is added."""
    metric: MetricMath | None = None
    """A formula over CloudWatch metrics, and the value that scaling maintains."""
    target: Annotated[ScalingTarget | None, PlainValidator(_target), SkipJsonSchema()] = None
    """The same choice as one object, for Python: `Concurrency`, `InvocationsPerMinute` or `MetricMath`."""
    scale_out_cooldown_seconds: Cooldown = 60
    """Seconds between two scale-out steps."""
    scale_in_cooldown_seconds: Cooldown = 300
    """Seconds between two scale-in steps."""
    wake_after_seconds: Literal[10, 30, 60] = 30
    """With zero copies: seconds during which requests fail before a copy is started."""
    time_zone: TimeZone = "UTC"
    """IANA time zone of the schedules, for example Europe/Berlin."""
    schedules: Mapping[Name, Window] = Field(default={}, json_schema_extra={"additionalProperties": False})
    """Schedules with their own bounds, by name; they must not overlap."""

    @classmethod
    @checked()
    def fixed(cls, copies: int, *, schedules: Mapping[str, Window], time_zone: str = "UTC") -> Self:
        """Return a number of copies that load does not change, with other numbers during scheduled hours.

        Args:
            copies: Number of copies outside the schedules.
            schedules: Schedules with their own bounds, by name; they must not overlap.
            time_zone: IANA time zone of the schedules, for example Europe/Berlin; UTC by default.
        """
        return cls(min_copies=copies, max_copies=copies, schedules=schedules, time_zone=time_zone)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = []
        names = ("target", "concurrency", "invocations_per_minute", "metric")
        targets = [name for name in names if getattr(self, name) is not None]
        if len(targets) > 1:
            problems.append(Problem("", f"{' and '.join(targets)} are two targets; keep one"))
        low, high = self.own_bounds
        if high < low:
            problems.append(Problem("max_copies", f"{high} is below min_copies {low}; raise it to {low} or more"))
        raise_if_any(problems)
        problems += [problem.under("schedules") for problem in window_problems(self.schedules, self.own_bounds)]
        for name, window in self.schedules.items():
            problems += [p.under(f"schedules.{name}") for p in skipped_problems(window, self.time_zone)]
        raise_if_any(problems)
        return self

    @checked()
    def stopped_nightly(self, stop: NightlyStop) -> Self:
        """Return the same scaling with no copies during the hours of an endpoint's nightly stop.

        Args:
            stop: Hours without copies.

        Raises:
            ConfigurationError: The hours overlap a schedule, the schedules use another time zone, or one has the stop's name.
        """
        problem = None
        if _STOP in self.schedules:
            text = "is the name of the endpoint's nightly_stop; give the schedule another"
            problem = Problem(f"schedules.{_STOP}", text)
        elif self.schedules and self.time_zone != stop.time_zone:
            problem = Problem(
                "time_zone",
                f"{self.time_zone} differs from that of nightly_stop, {stop.time_zone}; the schedules of a component share one time zone",
            )
        if problem is not None:
            raise ConfigurationError([problem.under(self._noun)])
        return self.replace(schedules={**self.schedules, _STOP: stop.window}, time_zone=stop.time_zone)

    @property
    def tracked(self) -> ScalingTarget:
        """The target that is given, in either spelling; requests in flight as planned if none is."""
        if self.target is not None:
            return self.target
        if self.invocations_per_minute is not None:
            return InvocationsPerMinute(per_copy=self.invocations_per_minute)
        return self.metric or Concurrency(requests_per_copy=self.concurrency)

    @property
    def own_bounds(self) -> Bounds:
        """Minimum and maximum number of copies outside the schedules."""
        return self.min_copies, self.max_copies

    @property
    def all_bounds(self) -> tuple[Bounds, ...]:
        """Every pair of bounds that can apply, the component's own first."""
        others = (window.bounds(self.own_bounds) for window in self.schedules.values())
        return tuple(dict.fromkeys((self.own_bounds, *others)))

    @property
    def copy_bounds(self) -> Bounds:
        """Minimum and maximum number of copies over all hours."""
        return min(low for low, _ in self.all_bounds), max(high for _, high in self.all_bounds)

    @property
    def has_policy(self) -> bool:
        """Whether load changes the number of copies, at least during some hours."""
        return any(low != high for low, high in self.all_bounds)

    @property
    def wakes(self) -> bool:
        """Whether there may be zero copies while a request can start one."""
        return any(low == 0 < high for low, high in self.all_bounds)
