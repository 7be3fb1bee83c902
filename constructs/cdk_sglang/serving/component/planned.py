"""What the plan of a component says, as properties of its construct."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdk_sglang.planning import ResolvedComponent

if TYPE_CHECKING:
    from cdk_sglang.engine import SglangOptions
    from cdk_sglang.planning.component.variants import ModelVariant
    from cdk_sglang.spec.rollout import ComponentRollout
    from cdk_sglang.spec.scaling import ComponentScaling
    from cdk_sglang.spec.task import Task
    from cdk_sglang.spec.verification import SmokeRequest


class PlannedComponent:
    """A component whose every value is resolved.

    Attributes:
        plan: The component with every value resolved, and what it takes of its instances.
    """

    plan: ResolvedComponent

    @property
    def variants(self) -> tuple[ModelVariant, ...]:
        """Model and options for each set of instance types whose options differ, that of the most wanted type first."""
        return self.plan.variants

    @property
    def server(self) -> SglangOptions:
        """SGLang's options on the most wanted instance type."""
        return self.plan.server

    @property
    def task(self) -> Task:
        """What a request asks for, such as "chat" or "embedding"."""
        return self.plan.task

    @property
    def copies(self) -> int:
        """Copies at the first deployment."""
        return self.plan.copies

    @property
    def scaling(self) -> ComponentScaling | None:
        """Bounds, target and schedules, the nightly stop of the endpoint among them; None if the copies stay as they are."""
        return self.plan.scaling

    @property
    def rollout(self) -> ComponentRollout | None:
        """How a new version reaches the copies; None for all at once and without alarms."""
        return self.plan.component.rollout

    @property
    def smoke(self) -> SmokeRequest | None:
        """Request that verifies the component after a deployment; None for that of the endpoint."""
        return self.plan.component.smoke

    @property
    def gpus_by_type(self) -> dict[str, int]:
        """GPUs of a copy by instance type."""
        return self.plan.gpus_by_type

    @property
    def gpus_per_copy(self) -> int:
        """GPUs of a copy on the most wanted instance type; `gpus_by_type` has those of all types."""
        return self.server.gpus_per_copy

    @property
    def copy_bounds(self) -> tuple[int, int]:
        """Fewest and most copies that scaling and its schedules may set."""
        return self.plan.copy_bounds

    @property
    def most_copies(self) -> int:
        """Most copies there can be at once, those of the first deployment included."""
        return self.plan.most_copies
