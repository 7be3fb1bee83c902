"""The plan of a component as properties of its construct."""

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
    """A component with every value resolved.

    Attributes:
        plan: The component with every value resolved, and the resources that it takes on its instances.
    """

    plan: ResolvedComponent

    @property
    def variants(self) -> tuple[ModelVariant, ...]:
        """Model and options for each set of instance types with different options, in order of preference."""
        return self.plan.variants

    @property
    def server(self) -> SglangOptions:
        """SGLang's options on the preferred instance type."""
        return self.plan.server

    @property
    def task(self) -> Task:
        """What a request asks for, such as "chat" or "embedding"."""
        return self.plan.task

    @property
    def copies(self) -> int:
        """Number of copies at the first deployment."""
        return self.plan.copies

    @property
    def scaling(self) -> ComponentScaling | None:
        """Bounds, target and schedules, including the endpoint's nightly stop; None if the number of copies does not change."""
        return self.plan.scaling

    @property
    def rollout(self) -> ComponentRollout | None:
        """How a new version reaches the copies; None for all copies at once, without alarms."""
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
        """GPUs of a copy on the preferred instance type; `gpus_by_type` has those of all types."""
        return self.server.gpus_per_copy

    @property
    def copy_bounds(self) -> tuple[int, int]:
        """Minimum and maximum number of copies that scaling and its schedules may set."""
        return self.plan.copy_bounds

    @property
    def most_copies(self) -> int:
        """Maximum number of copies at any time, including the first deployment."""
        return self.plan.most_copies
