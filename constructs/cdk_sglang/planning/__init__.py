"""Arithmetic: memory, performance, packing and cost. Pure Python: no CDK, no network."""

from cdk_sglang.planning.concurrency import ConcurrencyLimits, concurrency_limits, target_concurrency
from cdk_sglang.planning.fleet_plan import Alternative, ComponentPlan, EndpointPlan, FleetPlan, Range
from cdk_sglang.planning.fleet_request import ComponentRequest, EndpointRequest, FleetRequest
from cdk_sglang.planning.memory import MemoryPlan, plan_memory, split_problems
from cdk_sglang.planning.parallel import Parallelism
from cdk_sglang.planning.plan import plan_fleet
from cdk_sglang.planning.predict import Answer, Band, answer
from cdk_sglang.planning.splits import planned_fraction, tp_sizes
from cdk_sglang.planning.startup import StartUp, start_up
from cdk_sglang.planning.static_fraction import EngineOptions, StaticFraction
from cdk_sglang.planning.verdict import component_problems
from cdk_sglang.spec.slo import Slo

__all__ = [
    "Alternative", "Answer", "Band", "ComponentPlan", "ComponentRequest", "ConcurrencyLimits", "EndpointPlan",
    "EndpointRequest", "EngineOptions", "FleetPlan", "FleetRequest", "MemoryPlan", "Parallelism", "Range", "Slo",
    "StartUp", "StaticFraction", "answer", "component_problems", "concurrency_limits", "plan_fleet", "plan_memory", "planned_fraction",
    "split_problems", "start_up", "target_concurrency", "tp_sizes",
]  # fmt: skip
