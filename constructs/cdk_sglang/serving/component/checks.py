"""Checks of a component's name and draft on its endpoint; other problems are found when the component is resolved."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk

from cdk_sglang.errors import Problem
from cdk_sglang.serving.component.context import EndpointContext
from cdk_sglang.serving.rollout.rollback_alarms import ROLLBACK_ALARM_IDS
from cdk_sglang.serving.verification.endpoint_check import VERIFICATION_ID
from cdk_sglang.spec.physical_names import name_problems

if TYPE_CHECKING:
    from cdk_sglang.planning import ResolvedComponent
    from cdk_sglang.serving.weights.model_source import ModelSource

_PARTS_OF_AN_ENDPOINT: Final = re.compile(
    rf"Config|ExecutionRole|Idle|Logs|Reservation|Resource|Models([A-Z].*)?|{VERIFICATION_ID}\d+|{'|'.join(sorted(ROLLBACK_ALARM_IDS))}"
)
"""Ids that an endpoint uses or may use for constructs other than components. Those of models and of the verification are numbered, or named after
their dependencies."""


def component_name_problems(
    endpoint: EndpointContext, construct_id: str, name: str, *, others: Container[str]
) -> list[Problem]:
    """Return why a component cannot have its id or its name.

    Args:
        endpoint: The endpoint.
        construct_id: Id of the component on the endpoint.
        name: Name of the component in SageMaker.
        others: Ids of the endpoint's existing components.
    """
    if construct_id in others or _PARTS_OF_AN_ENDPOINT.fullmatch(construct_id):
        return [Problem(construct_id, "the endpoint has something of this name already; choose another")]
    return name_problems(construct_id, name, "component") or endpoint.names.problems(construct_id, name, "component")


def draft_problems(endpoint: EndpointContext, plan: ResolvedComponent, model: ModelSource) -> list[Problem]:
    """Return why a component cannot have a draft on its endpoint; an empty list for a component without a draft.

    Args:
        endpoint: The endpoint.
        plan: The component.
        model: Its weights.
    """
    if plan.component.speculative is None:
        return []
    path, problems = f"{plan.name}.speculative", []
    if model.bucket is None:
        problems.append(
            Problem(
                path,
                "has no bucket for its drafts; give one to the model's source: ModelSource.from_s3(..., bucket=...)",
            )
        )
    if cdk.Stack.of(endpoint.scope).nested_stack_parent is not None:
        problems.append(
            Problem(
                path,
                "is promoted by a parameter of its stack, which only the parent sets in a nested stack; use a stack of its own",
            )
        )
    return problems
