"""Checks that there is room for the two copies on which a draft is measured. Imported only if a component has a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdk_sglang.errors import Problem
from cdk_sglang.planning.layouts import Room, least_instances

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdk_sglang.planning.component.resolve import ResolvedComponent
    from cdk_sglang.planning.layouts import CopyNeeds

CANARIES: Final = 2
"""Copies that the measurement needs in addition to those that serve: one with the draft and one without."""


def canary_problems(path: str, component: ResolvedComponent, needs: Iterable[CopyNeeds]) -> list[Problem]:
    """Return a problem if the endpoint has no room for the two measured copies and no second endpoint is allowed.

    Args:
        path: Path of the component.
        component: The component, which has `speculative`.
        needs: What the copies of all components of its endpoint take, including this one's.
    """
    speculative = component.component.speculative
    if speculative is None or speculative.gate.second_endpoint:
        return []
    capacity = component.hosting.capacity
    room = Room(component.hosting.instances, needs)
    if capacity.max_instances is None or component.name not in room.least:
        return []
    least = {**room.least, component.name: max(room.least[component.name], component.copies)}
    needed, instance = room.needed({**least, component.name: least[component.name] + CANARIES})
    needed = max(needed, least_instances(capacity.min_instances, room.least.values()))
    if needed <= capacity.max_instances:
        return []
    return [
        Problem(
            f"{path}.speculative.{speculative.kind}.second_endpoint",
            f"a draft is measured on {CANARIES} more copies, which takes {needed} instances of {instance.name}, max_instances "
            f"{capacity.max_instances} allowed; raise max_instances by {needed - capacity.max_instances}, or allow a short-lived endpoint: "
            "second_endpoint: true",
        )
    ]
