"""How updates reach copies and instances, what takes them back, and what is checked before a deployment counts as done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, WithJsonSchema, model_validator

from cdk_sglang import (
    BatchSize,
    ComponentRollout,
    ConfigurationError,
    EndpointRollout,
    NoTruthCheck,
    RollbackAlarms,
    SmokeRequest,
    TruthCheck,
)
from cdk_sglang.errors import Problem
from cdk_sglang.serving.rollout.rollout import TIMEOUT_MAX_SECONDS, TIMEOUT_MIN_SECONDS, WAIT_MAX_SECONDS
from cdk_sglang.serving.verification.check import SMOKE_MAX_SECONDS, TIMEOUT_MAX_MINUTES, TIMEOUT_MIN_MINUTES
from stacks.settings_base import Settings, exactly_one_of


def _without(prefix: str, make: Callable[[], object]) -> None:
    """Make it, and name its problems from where they are in the file."""
    try:
        make()
    except ConfigurationError as error:
        problems = [problem.inside(prefix) for problem in error.problems]
        raise ConfigurationError(problems) from None


class RollbackAlarmSettings(Settings):
    """What takes an update back; null leaves a rule out, and one must remain."""

    server_errors: int | None = Field(default=5, ge=1, le=1_000_000)
    """So many requests in a minute failed on the serving side."""
    model_errors: int | None = Field(default=5, ge=1, le=1_000_000)
    """So many requests in a minute were not answered by the model."""
    p99_latency_ms: float | None = Field(default=None, gt=0, le=3_600_000, strict=False)
    """The slowest hundredth of requests takes so long, whole answers included; not watched by default."""
    no_capacity: int | None = Field(default=1, ge=1, le=1_000_000)
    """So many requests in a minute found no copy; never watched for a component that may have none."""
    minutes: int = Field(default=1, ge=1, le=60)
    """For so many minutes in a row."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _without("rollout.alarms", self.typed)
        return self

    def typed(self) -> RollbackAlarms:
        """Return it as the library takes it."""
        return RollbackAlarms(
            server_errors=self.server_errors,
            model_errors=self.model_errors,
            p99_latency_ms=self.p99_latency_ms,
            no_capacity=self.no_capacity,
            minutes=self.minutes,
        )


class Batch(Settings):
    """How much in one step; exactly one of percent and copies."""

    model_config = ConfigDict(json_schema_extra=exactly_one_of("percent", "copies"))

    percent: int | None = Field(default=None, ge=1, le=100)
    """Of the copies."""
    copies: int | None = Field(default=None, ge=1, le=1000)
    """So many copies."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.percent is None) == (self.copies is None):
            raise ValueError("give exactly one of percent and copies")
        return self

    def typed(self) -> BatchSize:
        """Return it as the library takes it."""
        return BatchSize(percent_value=self.percent, copies_value=self.copies)


class ComponentRolloutSettings(Settings):
    """A new version reaches some copies at a time, and an alarm takes it back."""

    max_batch: Batch
    """Replaced in one step; 5 to 50% of the copies."""
    wait_seconds: int = Field(default=300, ge=0, le=WAIT_MAX_SECONDS)
    """How long the alarms are watched after each step."""
    rollback_batch: Batch | None = None
    """How fast it goes back; all at once by default."""
    timeout_seconds: int | None = Field(default=None, ge=TIMEOUT_MIN_SECONDS, le=TIMEOUT_MAX_SECONDS)
    """For all steps; SageMaker's own limit by default."""
    alarms: RollbackAlarmSettings = RollbackAlarmSettings()
    """What takes it back."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _without("rollout", self.typed)
        return self

    def typed(self) -> ComponentRollout:
        """Return it as the library takes it."""
        return ComponentRollout.rolling(
            max_batch=self.max_batch.typed(),
            wait_seconds=self.wait_seconds,
            rollback_batch=None if self.rollback_batch is None else self.rollback_batch.typed(),
            timeout_seconds=self.timeout_seconds,
            alarms=self.alarms.typed(),
        )


class EndpointRolloutSettings(Settings):
    """How a new configuration reaches the instances of an endpoint."""

    strategy: Literal["all_at_once", "canary", "linear", "rolling"]
    """`all_at_once`, `canary` and `linear` start a second fleet and move the traffic at once, in two steps, or in equal ones; `rolling`
    replaces some instances at a time and needs the fewest."""
    percent: int | None = Field(default=None, ge=1, le=50)
    """With canary, linear and rolling: of one step; 1 to 50, 10 to 50 and 5 to 50."""
    wait_seconds: int = Field(default=300, ge=0, le=WAIT_MAX_SECONDS)
    """How long the alarms are watched after each step."""
    termination_wait_seconds: int | None = Field(default=None, ge=0, le=WAIT_MAX_SECONDS)
    """Not with rolling: how much longer the old fleet stays; not at all by default."""
    rollback_percent: int | None = Field(default=None, ge=5, le=100)
    """With rolling: how many instances go back at a time; all at once by default."""
    timeout_seconds: int | None = Field(default=None, ge=TIMEOUT_MIN_SECONDS, le=TIMEOUT_MAX_SECONDS)
    """For all steps; SageMaker's own limit by default."""
    alarms: RollbackAlarmSettings = RollbackAlarmSettings()
    """What takes it back."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        problems = []
        if (self.percent is None) != (self.strategy == "all_at_once"):
            problems.append(
                Problem("percent", "all_at_once has no steps; remove it")
                if self.percent is not None
                else Problem("percent", f"missing; {self.strategy} needs it")
            )
        if self.strategy == "rolling" and self.termination_wait_seconds is not None:
            problems.append(Problem("termination_wait_seconds", "rolling has no second fleet; remove it"))
        if self.strategy != "rolling" and self.rollback_percent is not None:
            problems.append(Problem("rollback_percent", f"goes with rolling, got {self.strategy}; remove it"))
        if problems:
            raise ConfigurationError(problems)
        _without("rollout", self.typed)
        return self

    def typed(self) -> EndpointRollout:
        """Return it as the library takes it."""
        alarms, percent, stays = self.alarms.typed(), self.percent or 0, self.termination_wait_seconds or 0
        match self.strategy:
            case "all_at_once":
                return EndpointRollout.blue_green_all_at_once(
                    wait_seconds=self.wait_seconds,
                    termination_wait_seconds=stays,
                    timeout_seconds=self.timeout_seconds,
                    alarms=alarms,
                )
            case "rolling":
                return EndpointRollout.rolling(
                    percent=percent,
                    wait_seconds=self.wait_seconds,
                    rollback_percent=self.rollback_percent,
                    timeout_seconds=self.timeout_seconds,
                    alarms=alarms,
                )
            case "canary" | "linear":
                make = EndpointRollout.canary if self.strategy == "canary" else EndpointRollout.linear
                return make(
                    percent=percent,
                    wait_seconds=self.wait_seconds,
                    termination_wait_seconds=stays,
                    timeout_seconds=self.timeout_seconds,
                    alarms=alarms,
                )


class Smoke(Settings):
    """The request that shows that a component answers."""

    body: (
        Annotated[dict[str, JsonValue], Field(min_length=1), WithJsonSchema({"type": "object", "minProperties": 1})]
        | None
    ) = None
    """JSON body of the chat request; a short one by default."""
    expect: Annotated[tuple[str, ...], Field(min_length=1, max_length=10, strict=False)] | None = None
    """Where the answer must hold something, such as [choices.0.message.content]; one of them is enough."""
    timeout_seconds: int = Field(default=SMOKE_MAX_SECONDS, ge=1, le=SMOKE_MAX_SECONDS)
    """How long one request may take."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _without("smoke", self.typed)
        return self

    def typed(self) -> SmokeRequest:
        """Return it as the library takes it."""
        default = SmokeRequest()
        return SmokeRequest(
            body=default.body if self.body is None else self.body,
            expect=default.expect if self.expect is None else self.expect,
            timeout_seconds=self.timeout_seconds,
        )


class Verify(Settings):
    """What is compared with what was asked before a deployment counts as done."""

    timeout_minutes: int | None = Field(default=None, ge=TIMEOUT_MIN_MINUTES, le=TIMEOUT_MAX_MINUTES)
    """How long what is on its way is waited for; as long as CloudFormation waits by default."""
    smoke: Smoke | None = None
    """The request to every component; a short chat by default."""
    none: Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)] | None = None
    """Why nothing is compared: CloudFormation's word is taken."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.none is not None and (self.timeout_minutes is not None or self.smoke is not None):
            raise ConfigurationError([Problem("none", "goes without timeout_minutes and smoke; remove them, or check")])
        return self

    def typed(self) -> TruthCheck | NoTruthCheck:
        """Return it as the library takes it."""
        if self.none is not None:
            return NoTruthCheck(reason=self.none)
        return TruthCheck(
            timeout_minutes=TIMEOUT_MAX_MINUTES if self.timeout_minutes is None else self.timeout_minutes,
            smoke=SmokeRequest() if self.smoke is None else self.smoke.typed(),
        )
