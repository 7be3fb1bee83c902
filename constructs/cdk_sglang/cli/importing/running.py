"""A running endpoint: what AWS says of it, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

ENVIRONMENT_TAG: Final = "cdk-sglang:environment"
"""Tag of every resource of an environment of this library."""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """What Application Auto Scaling stores for a component or variant.

    Attributes:
        target: The scalable target; None without one.
        policies: Scaling policies.
        actions: Scheduled actions.
    """

    target: Mapping[str, Any] | None = None
    policies: Sequence[Mapping[str, Any]] = ()
    actions: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True)
class RunningComponent:
    """An inference component.

    Attributes:
        described: Its description.
        tags: Its tags.
        scaling: What scales it.
    """

    described: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    scaling: Scaling = Scaling()

    @property
    def name(self) -> str:
        """Its name in SageMaker."""
        return str(self.described["InferenceComponentName"])

    @property
    def specifications(self) -> Sequence[Mapping[str, Any]]:
        """One specification, or one for each instance type."""
        return self.described.get("Specifications") or [self.described.get("Specification", {})]

    @property
    def base(self) -> str | None:
        """Component that an adapter is on; None for a component of its own."""
        return self.specifications[0].get("BaseInferenceComponentName")


@dataclass(frozen=True, kw_only=True)
class Running:
    """A running endpoint.

    Attributes:
        endpoint: Its description.
        config: Its configuration.
        tags: Its tags.
        components: Its components and adapters; none where the variant itself has the model.
        models: Descriptions of models by name.
        alarms: Alarms by name, those of rollouts and those of scaling.
        scaling: What scales the variant of an endpoint without components.
        parameters: Values that the foundation of an environment of this library publishes, by name.
        plan: Training plan that it runs on; None if there is none or it could not be read.
    """

    endpoint: Mapping[str, Any]
    config: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    components: Sequence[RunningComponent] = ()
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    alarms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scaling: Scaling = Scaling()
    parameters: Mapping[str, str] = field(default_factory=dict)
    plan: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Its name in SageMaker."""
        return str(self.endpoint["EndpointName"])

    @property
    def region(self) -> str:
        """Its Region."""
        return str(self.endpoint["EndpointArn"]).split(":")[3]

    @property
    def account(self) -> str:
        """Its account."""
        return str(self.endpoint["EndpointArn"]).split(":")[4]

    @property
    def variant(self) -> Mapping[str, Any]:
        """Its production variant, as configured."""
        variant: Mapping[str, Any] = self.config["ProductionVariants"][0]
        return variant

    @property
    def environment(self) -> str | None:
        """Environment of this library that it belongs to; None if something else created it."""
        return self.tags.get(ENVIRONMENT_TAG)


def is_in_steps(policy: Mapping[str, Any]) -> bool:
    """Return whether a scaling policy adds and removes in steps, on alarms that are not its own.

    Args:
        policy: Its description.
    """
    return bool(policy["PolicyType"] == "StepScaling")


def rollback_alarms(described: Mapping[str, Any]) -> list[str]:
    """Return the names of the alarms that roll an update back.

    Args:
        described: Description of an endpoint or component.
    """
    rollback = (described.get("LastDeploymentConfig") or {}).get("AutoRollbackConfiguration") or {}
    return [alarm["AlarmName"] for alarm in rollback.get("Alarms", ())]
