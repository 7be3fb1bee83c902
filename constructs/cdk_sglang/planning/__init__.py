"""Arithmetic: memory, performance, packing and cost. Pure Python: no CDK, no network.

Names are imported on first use: only predictions need numpy, while the memory check runs for every component.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdk_sglang.planning.component.hosting import Hosting
    from cdk_sglang.planning.component.resolve import ResolvedComponent, resolve_component
    from cdk_sglang.planning.concurrency import ConcurrencyLimits, concurrency_limits, target_concurrency
    from cdk_sglang.planning.fleet_plan import Alternative, ComponentPlan, EndpointPlan, FleetPlan, Range
    from cdk_sglang.planning.fleet_request import ComponentRequest, EndpointRequest, FleetRequest
    from cdk_sglang.planning.memory import MemoryPlan, plan_memory
    from cdk_sglang.planning.parallel import Parallelism
    from cdk_sglang.planning.plan import plan_fleet
    from cdk_sglang.planning.predict import Answer, Band, answer
    from cdk_sglang.planning.refusals import split_problems
    from cdk_sglang.planning.resolution import ResolvedEndpoint, resolve
    from cdk_sglang.planning.splits import planned_fraction, tp_sizes
    from cdk_sglang.planning.startup import StartUp, start_up
    from cdk_sglang.planning.static_fraction import EngineOptions, StaticFraction
    from cdk_sglang.planning.verdict import component_problems
    from cdk_sglang.spec.slo import Slo

__all__ = [
    "Alternative", "Answer", "Band", "ComponentPlan", "ComponentRequest", "ConcurrencyLimits", "EndpointPlan",
    "EndpointRequest", "EngineOptions", "FleetPlan", "FleetRequest", "Hosting", "MemoryPlan", "Parallelism", "Range",
    "ResolvedComponent", "ResolvedEndpoint", "Slo", "StartUp", "StaticFraction", "answer", "component_problems",
    "concurrency_limits", "plan_fleet", "plan_memory", "planned_fraction", "resolve", "resolve_component", "split_problems",
    "start_up", "target_concurrency", "tp_sizes",
]  # fmt: skip

_HOMES = {
    "component.hosting": ("Hosting",),
    "component.resolve": ("ResolvedComponent", "resolve_component"),
    "concurrency": ("ConcurrencyLimits", "concurrency_limits", "target_concurrency"),
    "fleet_plan": ("Alternative", "ComponentPlan", "EndpointPlan", "FleetPlan", "Range"),
    "fleet_request": ("ComponentRequest", "EndpointRequest", "FleetRequest"),
    "memory": ("MemoryPlan", "plan_memory"),
    "parallel": ("Parallelism",),
    "plan": ("plan_fleet",),
    "predict": ("Answer", "Band", "answer"),
    "refusals": ("split_problems",),
    "resolution": ("ResolvedEndpoint", "resolve"),
    "splits": ("planned_fraction", "tp_sizes"),
    "startup": ("StartUp", "start_up"),
    "static_fraction": ("EngineOptions", "StaticFraction"),
    "verdict": ("component_problems",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names} | {"Slo": "cdk_sglang.spec.slo"}


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home if "spec" in home else f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
