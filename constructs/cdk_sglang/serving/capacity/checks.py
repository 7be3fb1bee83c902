"""What can be wrong with an endpoint's capacity where it is deployed: Regions without pools or without zero, plans of elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk

from cdk_sglang.errors import Problem
from cdk_sglang.hardware import pool_region_problems, zero_instances_problems
from cdk_sglang.serving.capacity.capacity import Capacity
from cdk_sglang.serving.shared.tokens import is_token

if TYPE_CHECKING:
    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint


def capacity_place_problems(path: str, capacity: Capacity, *, region: str, account: str) -> list[Problem]:
    """Say what is wrong with the capacity in this Region and account; an empty list where those are known only at deployment."""
    problems = []
    if not is_token(region):
        if capacity.is_pool:
            problems += [Problem(f"{path}.pool", f"{problem}") for problem in pool_region_problems(region)]
        if capacity.min_instances == 0:
            refusals = (zero_instances_problems(region, instance) for instance in capacity.instances)
            problems += [Problem(f"{path}.min_instances", f"{problem}") for refusal in refusals for problem in refusal]
    if capacity.reservation is not None:
        found = capacity.reservation.place_problems(region=region, account=account)
        problems += [problem.under(f"{path}.reserved") for problem in found]
    return problems


def zero_copies_problems(path: str, endpoint: InferenceEndpoint) -> list[Problem]:
    """Say why a component at zero copies cannot take the instances with it here, unless somebody has said how many stay."""
    region = cdk.Stack.of(endpoint).region
    if endpoint.capacity.min_instances is not None or is_token(region):
        return []
    refusals = (zero_instances_problems(region, instance) for instance in endpoint.capacity.instances)
    return [
        Problem(
            path, f"0 copies would leave no instance, and {problem} (min_instances: 1 keeps one, which is paid for)"
        )
        for refusal in refusals
        for problem in refusal
    ]
