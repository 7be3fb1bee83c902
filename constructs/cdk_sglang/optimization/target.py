"""The component of a pipeline, whether the same stack deploys it or another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aws_cdk as cdk

from cdk_sglang.arguments import checked, checked_fields
from cdk_sglang.serving.shared.drafts import parameter_id

if TYPE_CHECKING:
    from cdk_sglang.planning import ResolvedComponent
    from cdk_sglang.serving.component.component import InferenceComponent
    from cdk_sglang.spec.speculative import Speculative


@checked_fields
@dataclass(frozen=True, kw_only=True)
class OptimizedComponent:
    """A component whose draft is trained, measured and promoted.

    Args:
        plan: The component, with every value resolved.
        endpoint_name: Name of its endpoint in SageMaker, known at synth.
        component_name: Name of the component in SageMaker, known at synth.
        stack_name: Name of the stack that deploys the component, whose parameter a promotion sets; known at synth.
        execution_role_arn: ARN of the endpoint's execution role, which the two measured copies also use.
    """

    plan: ResolvedComponent
    endpoint_name: str
    component_name: str
    stack_name: str
    execution_role_arn: str

    @staticmethod
    @checked()
    def of(component: InferenceComponent) -> OptimizedComponent:
        """Return the target for a component of the same stack.

        Args:
            component: The component.
        """
        return OptimizedComponent(
            plan=component.plan,
            endpoint_name=component.endpoint_name,
            component_name=component.component_name,
            stack_name=cdk.Stack.of(component).stack_name,
            execution_role_arn=component.role.role_arn,
        )

    @property
    def speculative(self) -> Speculative:
        """The specification of the draft."""
        speculative = self.plan.component.speculative
        assert speculative is not None
        return speculative

    @property
    def parameter(self) -> str:
        """Logical id of the parameter with the version that is served."""
        return parameter_id(self.component_name, self.plan.component.model)
