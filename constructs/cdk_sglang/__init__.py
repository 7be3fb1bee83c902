"""AWS CDK constructs for serving open-weight models with SGLang on Amazon SageMaker.

Public names are imported when they are first used: `cdk_sglang.client` and the facts need neither aws_cdk nor the node process it
starts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdk_sglang.errors import ConfigurationError
    from cdk_sglang.hardware import Gpu, GpuInstance
    from cdk_sglang.serving.adapter import Adapter
    from cdk_sglang.serving.adapter_source import AdapterSource
    from cdk_sglang.serving.alarms import Alarms, NoAlarms
    from cdk_sglang.serving.capacity import Capacity
    from cdk_sglang.serving.component import InferenceComponent
    from cdk_sglang.serving.container_base import ContainerBase
    from cdk_sglang.serving.endpoint import InferenceEndpoint
    from cdk_sglang.serving.endpoint_rollout import EndpointRollout
    from cdk_sglang.serving.host import HostResources
    from cdk_sglang.serving.image import ServingImage, SglangDlc
    from cdk_sglang.serving.inference_route import InferenceRoute, RouteDestination
    from cdk_sglang.serving.metrics import ServingMetrics
    from cdk_sglang.serving.model_source import ModelSource
    from cdk_sglang.serving.network import EndpointNetwork
    from cdk_sglang.serving.placement import Placement
    from cdk_sglang.serving.rollback_alarms import RollbackAlarms
    from cdk_sglang.serving.rollout import BatchSize, ComponentRollout
    from cdk_sglang.serving.routing import Routing
    from cdk_sglang.serving.scale_in import ScaleIn
    from cdk_sglang.serving.scaling import ComponentScaling, Concurrency, InvocationsPerMinute, MetricMath, MetricStat
    from cdk_sglang.serving.schedules import NightlyStop, Window
    from cdk_sglang.serving.sglang import LoraOptions, SglangOptions
    from cdk_sglang.serving.startup import StartupTimeouts
    from cdk_sglang.serving.training_plan import OnDemandMove
    from cdk_sglang.serving.truth_check import NoTruthCheck, SmokeRequest, TruthCheck
    from cdk_sglang.serving.waste import IdleAlarm
    from cdk_sglang.weights import AdapterConfig

__all__ = [
    "Adapter",
    "AdapterConfig",
    "AdapterSource",
    "Alarms",
    "BatchSize",
    "Capacity",
    "ComponentRollout",
    "ComponentScaling",
    "Concurrency",
    "ConfigurationError",
    "ContainerBase",
    "EndpointNetwork",
    "EndpointRollout",
    "Gpu",
    "GpuInstance",
    "HostResources",
    "IdleAlarm",
    "InferenceComponent",
    "InferenceEndpoint",
    "InferenceRoute",
    "InvocationsPerMinute",
    "LoraOptions",
    "MetricMath",
    "MetricStat",
    "ModelSource",
    "NightlyStop",
    "NoAlarms",
    "NoTruthCheck",
    "OnDemandMove",
    "Placement",
    "RollbackAlarms",
    "RouteDestination",
    "Routing",
    "ScaleIn",
    "ServingImage",
    "ServingMetrics",
    "SglangDlc",
    "SglangOptions",
    "SmokeRequest",
    "StartupTimeouts",
    "TruthCheck",
    "Window",
]

_HOMES = {
    "errors": ("ConfigurationError",),
    "hardware": (
        "Gpu",
        "GpuInstance",
    ),
    "serving.adapter": ("Adapter",),
    "serving.adapter_source": ("AdapterSource",),
    "serving.alarms": (
        "Alarms",
        "NoAlarms",
    ),
    "serving.capacity": ("Capacity",),
    "serving.component": ("InferenceComponent",),
    "serving.container_base": ("ContainerBase",),
    "serving.endpoint": ("InferenceEndpoint",),
    "serving.endpoint_rollout": ("EndpointRollout",),
    "serving.host": ("HostResources",),
    "serving.image": (
        "ServingImage",
        "SglangDlc",
    ),
    "serving.inference_route": ("InferenceRoute", "RouteDestination"),
    "serving.metrics": ("ServingMetrics",),
    "serving.model_source": ("ModelSource",),
    "serving.network": ("EndpointNetwork",),
    "serving.placement": ("Placement",),
    "serving.rollback_alarms": ("RollbackAlarms",),
    "serving.rollout": (
        "BatchSize",
        "ComponentRollout",
    ),
    "serving.routing": ("Routing",),
    "serving.scale_in": ("ScaleIn",),
    "serving.scaling": (
        "ComponentScaling",
        "Concurrency",
        "InvocationsPerMinute",
        "MetricMath",
        "MetricStat",
    ),
    "serving.schedules": (
        "NightlyStop",
        "Window",
    ),
    "serving.sglang": (
        "LoraOptions",
        "SglangOptions",
    ),
    "serving.startup": ("StartupTimeouts",),
    "serving.truth_check": (
        "NoTruthCheck",
        "SmokeRequest",
        "TruthCheck",
    ),
    "serving.training_plan": ("OnDemandMove",),
    "serving.waste": ("IdleAlarm",),
    "weights": ("AdapterConfig",),
}
"""Where each name above lives; a test holds the three lists together."""
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
