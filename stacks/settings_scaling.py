"""How many copies a component has: bounds, target, schedules, and the hours an endpoint is off."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from cdk_sglang import (
    ComponentScaling,
    Concurrency,
    ConfigurationError,
    InvocationsPerMinute,
    MetricMath,
    MetricStat,
    NightlyStop,
    Window,
)
from cdk_sglang.serving.component.planned import EXPECTED_INPUT_TOKENS, EXPECTED_OUTPUT_TOKENS
from cdk_sglang.serving.scaling.schedules import DAYS
from cdk_sglang.spec.kinds import Name
from stacks.settings_base import Settings

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Load(Settings):
    """What callers are expected to send; the plan and the scaling target follow from it."""

    input_tokens: float = Field(default=EXPECTED_INPUT_TOKENS, gt=0, le=10_000_000, strict=False)
    """Mean tokens of a prompt."""
    output_tokens: float = Field(default=EXPECTED_OUTPUT_TOKENS, gt=0, le=10_000_000, strict=False)
    """Mean tokens of an answer."""


class Metric(Settings):
    """One metric of a formula."""

    name: str
    """As it is published, such as InvocationsPerCopy."""
    statistic: str
    """Such as Average, Sum or p90."""
    namespace: str = "AWS/SageMaker"
    """Of the metric."""
    dimensions: dict[str, str] | None = None
    """The component's own by default."""


class MetricTarget(Settings):
    """A formula over metrics, whose value falls as copies are added."""

    expression: str
    """CloudWatch metric math over the ids of `metrics`."""
    metrics: dict[str, Metric] = Field(min_length=1, max_length=9)
    """Metrics by id: lower-case letters, digits and underscores."""
    target: float = Field(gt=0, strict=False)
    """Value to keep."""


class Schedule(Settings):
    """Hours with bounds of their own: with `days`, every week; without, one stretch of time."""

    days: tuple[Day, ...] = Field(default=(), max_length=7, strict=False)
    """Days on which it begins, such as [mon, tue, wed, thu, fri]; none for a single stretch of time."""
    begins: str
    """"HH:MM" in quotes; without days YYYY-MM-DDTHH:MM."""
    ends: str
    """The same; before the beginning it is the next day's. "00:00" in both is whole days."""
    min_copies: int | None = Field(default=None, ge=0, le=1000)
    """Fewest copies while it lasts; the component's own by default."""
    max_copies: int | None = Field(default=None, ge=0, le=1000)
    """Most copies while it lasts; the component's own by default. 0 is off."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.typed()
        return self

    def typed(self) -> Window:
        """Return it as the library takes it."""
        bounds = {"min_copies": self.min_copies, "max_copies": self.max_copies}
        if self.days:
            return Window.weekly(days=self.days, begins=self.begins, ends=self.ends, **bounds)
        return Window.once(begins=self.begins, ends=self.ends, **bounds)


class Scaling(Settings):
    """Bounds between which load and hours change the copies; at most one of concurrency, invocations_per_minute and metric."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["invocations_per_minute", "metric"]}})

    min_copies: int = Field(ge=0, le=1000)
    """Always running; 0 is scale to zero: the first request after a pause fails, and wakes the component."""
    max_copies: int = Field(ge=1, le=1000)
    """Never more than this."""
    concurrency: float | None = Field(default=None, gt=0, le=100_000, strict=False)
    """Requests in flight per copy at which a copy is added; by default what the plan of the model says."""
    invocations_per_minute: float | None = Field(default=None, gt=0, le=1_000_000, strict=False)
    """Requests per copy and minute at which a copy is added."""
    metric: MetricTarget | None = None
    """A formula of yours."""
    scale_out_cooldown_seconds: int = Field(default=60, ge=0, le=86_400)
    """Between two steps up."""
    scale_in_cooldown_seconds: int = Field(default=300, ge=0, le=86_400)
    """Between two steps down."""
    wake_after_seconds: Literal[10, 30, 60] = 30
    """At zero copies: how long requests fail before a copy is asked for."""
    time_zone: str = "UTC"
    """Of the schedules, such as Europe/Berlin."""
    schedules: dict[Name, Schedule] = Field(default={}, json_schema_extra={"additionalProperties": False})
    """Hours with bounds of their own, by name."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        given = [
            name for name in ("concurrency", "invocations_per_minute", "metric") if getattr(self, name) is not None
        ]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are two targets; keep one")
        try:
            self.typed(Load(), concurrency=None)
        except ConfigurationError as error:
            raise ConfigurationError([problem.inside("scaling") for problem in error.problems]) from None
        return self

    @property
    def is_planned(self) -> bool:
        """Whether the target comes from the plan."""
        return self.concurrency is None and self.invocations_per_minute is None and self.metric is None

    def typed(self, load: Load, *, concurrency: float | None) -> ComponentScaling:
        """Return it as the library takes it.

        Args:
            load: What callers are expected to send.
            concurrency: The planned target, where it is planned and known.
        """
        return ComponentScaling(
            min_copies=self.min_copies,
            max_copies=self.max_copies,
            target=self._target(load, concurrency),
            scale_out_cooldown_seconds=self.scale_out_cooldown_seconds,
            scale_in_cooldown_seconds=self.scale_in_cooldown_seconds,
            wake_after_seconds=self.wake_after_seconds,
            schedules={name: schedule.typed() for name, schedule in self.schedules.items()},
            time_zone=self.time_zone,
        )

    def _target(self, load: Load, concurrency: float | None) -> Concurrency | InvocationsPerMinute | MetricMath:
        if self.invocations_per_minute is not None:
            return InvocationsPerMinute(per_copy=self.invocations_per_minute)
        if self.metric is not None:
            metrics = {
                name: MetricStat(
                    metric_name=metric.name,
                    statistic=metric.statistic,
                    namespace=metric.namespace,
                    dimensions=metric.dimensions,
                )
                for name, metric in self.metric.metrics.items()
            }
            return MetricMath(expression=self.metric.expression, metrics=metrics, target=self.metric.target)
        return Concurrency(
            requests_per_copy=concurrency if self.concurrency is None else self.concurrency,
            input_tokens=load.input_tokens,
            output_tokens=load.output_tokens,
        )


class NightlyStopSettings(Settings):
    """Hours in which the whole endpoint is off and costs nothing; every request fails."""

    begins: str
    """"HH:MM" in quotes."""
    ends: str
    """"HH:MM" in quotes; before the beginning it is the next day's. "00:00" in both is whole days."""
    days: tuple[Day, ...] = Field(default=DAYS, min_length=1, max_length=7, strict=False)
    """Days on which it begins; every day by default."""
    time_zone: str = "UTC"
    """Such as Europe/Berlin."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        try:
            self.typed()
        except ConfigurationError as error:
            raise ConfigurationError([problem.inside("nightly_stop") for problem in error.problems]) from None
        return self

    def typed(self) -> NightlyStop:
        """Return it as the library takes it."""
        return NightlyStop(begins=self.begins, ends=self.ends, days=self.days, time_zone=self.time_zone)
