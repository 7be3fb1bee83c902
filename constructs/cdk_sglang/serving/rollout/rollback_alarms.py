"""Alarms that SageMaker watches while it rolls out an update, and that take the update back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from constructs import Construct

from cdk_sglang.arguments import checked_fields
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.serving.alarms.metrics import INVOCATION_NAMESPACE
from cdk_sglang.serving.shared.tokens import is_token

if TYPE_CHECKING:
    from cdk_sglang.serving.alarms.alarms import Alarms
    from cdk_sglang.serving.component.component import InferenceComponent
    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint
    from cdk_sglang.spec.alarms import NoAlarms

_PERIOD_SECONDS: Final = 60
_MICROSECONDS_PER_MILLISECOND: Final = 1000
_MAX_MINUTES: Final = 60


class _Watched(NamedTuple):
    construct_id: str
    metric: str
    statistic: str
    threshold: float
    says: str


ROLLBACK_ALARM_IDS: Final = frozenset(
    {"RollbackServerErrors", "RollbackModelErrors", "RollbackLatency", "RollbackNoCapacity"}
)
"""Ids of the alarms in their endpoint or component; four, of the ten that SageMaker takes (botocore 1.44.5, AlarmList)."""


@checked_fields
@dataclass(frozen=True, kw_only=True)
class RollbackAlarms:
    """What takes an update back.

    A rule that is None is left out. Each alarm is over the metrics of what is updated, old and new copies together: that is
    what SageMaker publishes.

    Args:
        server_errors: Requests in a minute that failed on the serving side; 5 by default.
        model_errors: Requests in a minute that the model did not answer with success; 5 by default.
        p99_latency_ms: The slowest hundredth of requests takes this long in the container or longer, in milliseconds, whole answers
            included; None by default, since how long answers are is the caller's to know.
        no_capacity: Requests in a minute that found no copy; 1 by default, and left out for what may have zero copies,
            where such a request is what wakes it.
        minutes: For so many minutes in a row; 1 by default, and less than the rollout waits after a step.

    Raises:
        ConfigurationError: A threshold that is not positive, or no alarm at all.
    """

    server_errors: int | None = 5
    model_errors: int | None = 5
    p99_latency_ms: float | None = None
    no_capacity: int | None = 1
    minutes: int = 1

    def __post_init__(self) -> None:
        given = {
            "server_errors": self.server_errors,
            "model_errors": self.model_errors,
            "p99_latency_ms": self.p99_latency_ms,
            "no_capacity": self.no_capacity,
        }
        problems = [
            Problem(
                f"rollout.alarms.{name}", f"{value} is not allowed; use a number above 0, or leave it out with null"
            )
            for name, value in given.items()
            if value is not None and not is_token(value) and not value > 0
        ]
        if not is_token(self.minutes) and not 1 <= self.minutes <= _MAX_MINUTES:
            problems.append(
                Problem("rollout.alarms.minutes", f"{self.minutes} is not allowed; use 1 to {_MAX_MINUTES}")
            )
        if all(value is None for value in given.values()):
            problems.append(_missing("rollout.alarms"))
        if problems:
            raise ConfigurationError(problems)

    def problems(self, path: str, *, may_be_zero: bool) -> list[Problem]:
        """Say when no alarm is left for what may have zero copies."""
        return [] if self._watched(may_be_zero=may_be_zero) else [_missing(path)]

    def make(
        self,
        scope: Construct,
        *,
        choice: Alarms | NoAlarms | None,
        what: str,
        dimensions: Mapping[str, str],
        may_be_zero: bool,
    ) -> list[str]:
        """Create the alarms and return their names.

        Args:
            scope: Endpoint or component.
            choice: Whom they tell besides.
            what: Whose update they take back, for their descriptions.
            dimensions: Those of the metrics of what is updated.
            may_be_zero: Whether it may have zero copies.
        """
        from cdk_sglang.serving.alarms.alarms import make_alarm  # noqa: PLC0415  CloudWatch's constructs cost those who have alarms alone

        return [
            make_alarm(
                scope,
                watched.construct_id,
                choice=choice,
                description=f"{what}: {watched.says}. During an update, SageMaker takes the update back.",
                namespace=INVOCATION_NAMESPACE,
                metric_name=watched.metric,
                dimensions=dimensions,
                statistic=watched.statistic,
                period_seconds=_PERIOD_SECONDS,
                evaluation_periods=self.minutes,
                threshold=watched.threshold,
                comparison="GreaterThanOrEqualToThreshold",
            ).ref
            for watched in self._watched(may_be_zero=may_be_zero)
        ]

    def _watched(self, *, may_be_zero: bool) -> list[_Watched]:
        found = []
        if self.server_errors is not None:
            says = f"{self.server_errors} or more requests a minute failed on the serving side"
            found.append(_Watched("RollbackServerErrors", "Invocation5XXErrors", "Sum", self.server_errors, says))
        if self.model_errors is not None:
            says = f"{self.model_errors} or more requests a minute were not answered by the model"
            found.append(_Watched("RollbackModelErrors", "InvocationModelErrors", "Sum", self.model_errors, says))
        if self.p99_latency_ms is not None:
            says = f"one request in a hundred takes {self.p99_latency_ms:g} ms or longer"
            microseconds = self.p99_latency_ms * _MICROSECONDS_PER_MILLISECOND
            found.append(_Watched("RollbackLatency", "ModelLatency", "p99", microseconds, says))
        if self.no_capacity is not None and not may_be_zero:
            says = f"{self.no_capacity} or more requests a minute found no copy"
            found.append(_Watched("RollbackNoCapacity", "NoCapacityInvocationFailures", "Sum", self.no_capacity, says))
        return found


def _missing(path: str) -> Problem:
    return Problem(
        path,
        "alarms missing for rollback; without one SageMaker finishes every update, however bad: "
        "give server_errors, model_errors or p99_latency_ms",
    )


def alarms_of_endpoint(endpoint: InferenceEndpoint) -> list[str]:
    """Create the alarms of an endpoint's rollout and return their names; none without a rollout."""
    if endpoint.rollout is None:
        return []
    endpoint.allow_reading_alarms()
    return endpoint.rollout.alarms.make(
        endpoint,
        choice=endpoint.alarms,
        what=f"Endpoint {endpoint.endpoint_name}",
        dimensions={"EndpointName": endpoint.endpoint_name, "VariantName": endpoint.variant_name},
        may_be_zero=endpoint.capacity.min_instances == 0,
    )


def alarms_of_component(component: InferenceComponent) -> list[str]:
    """Create the alarms of a component's rollout and return their names; none without a rollout."""
    if component.rollout is None:
        return []
    component.endpoint.allow_reading_alarms()
    return component.rollout.alarms.make(
        component,
        choice=component.endpoint.alarms,
        what=f"Component {component.component_name}",
        dimensions={"InferenceComponentName": component.component_name},
        may_be_zero=component.copy_bounds[0] == 0,
    )
