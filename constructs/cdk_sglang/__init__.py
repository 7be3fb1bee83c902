"""AWS CDK constructs for serving open-weight models with SGLang on Amazon SageMaker.

Public names are imported when they are first used: `cdk_sglang.client` and the facts need neither aws_cdk nor the node process it
starts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdk_sglang.benchmarking.history.resources import BenchmarkHistory
    from cdk_sglang.benchmarking.jobs.resources import BenchmarkJobs
    from cdk_sglang.engine import LoraOptions, SglangOptions
    from cdk_sglang.errors import ConfigurationError
    from cdk_sglang.hardware import Gpu, GpuInstance
    from cdk_sglang.serving.adapters.adapter import Adapter
    from cdk_sglang.serving.adapters.source import AdapterSource
    from cdk_sglang.serving.alarms.alarms import Alarms
    from cdk_sglang.serving.alarms.metrics import ServingMetrics
    from cdk_sglang.serving.component.component import InferenceComponent
    from cdk_sglang.serving.endpoint.endpoint import InferenceEndpoint
    from cdk_sglang.serving.endpoint.inference_route import InferenceRoute, RouteDestination
    from cdk_sglang.serving.endpoint.network import EndpointNetwork
    from cdk_sglang.serving.image.image import ServingImage
    from cdk_sglang.serving.weights.model_source import ModelSource
    from cdk_sglang.spec.alarms import NoAlarms
    from cdk_sglang.spec.capacity import Capacity
    from cdk_sglang.spec.container_base import ContainerBase
    from cdk_sglang.spec.endpoint_rollout import EndpointRollout
    from cdk_sglang.spec.fit_check import NoFitCheck
    from cdk_sglang.spec.idle_alarm import IdleAlarm
    from cdk_sglang.spec.image_facts import SglangDlc
    from cdk_sglang.spec.load import Load
    from cdk_sglang.spec.placement import Placement
    from cdk_sglang.spec.reservation import OnDemandMove
    from cdk_sglang.spec.resources import HostResources
    from cdk_sglang.spec.rollback_alarms import RollbackAlarms
    from cdk_sglang.spec.rollout import BatchSize, ComponentRollout
    from cdk_sglang.spec.routing import Routing
    from cdk_sglang.spec.scale_in import ScaleIn
    from cdk_sglang.spec.scaling import ComponentScaling, Concurrency, InvocationsPerMinute, MetricMath, MetricStat
    from cdk_sglang.spec.schedules import NightlyStop, Window
    from cdk_sglang.spec.slo import Slo
    from cdk_sglang.spec.startup import StartupTimeouts
    from cdk_sglang.spec.verification import NoTruthCheck, NoVerification, SmokeRequest, TruthCheck, Verification
    from cdk_sglang.spec.workload import Dataset, Goodput, SharedPrefix, Turns, Workload
    from cdk_sglang.weights import AdapterConfig

__all__ = [
    "Adapter",
    "AdapterConfig",
    "AdapterSource",
    "Alarms",
    "BatchSize",
    "BenchmarkHistory",
    "BenchmarkJobs",
    "Capacity",
    "ComponentRollout",
    "ComponentScaling",
    "Concurrency",
    "ConfigurationError",
    "ContainerBase",
    "Dataset",
    "EndpointNetwork",
    "EndpointRollout",
    "Goodput",
    "Gpu",
    "GpuInstance",
    "HostResources",
    "IdleAlarm",
    "InferenceComponent",
    "InferenceEndpoint",
    "InferenceRoute",
    "InvocationsPerMinute",
    "Load",
    "LoraOptions",
    "MetricMath",
    "MetricStat",
    "ModelSource",
    "NightlyStop",
    "NoAlarms",
    "NoFitCheck",
    "NoTruthCheck",
    "NoVerification",
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
    "SharedPrefix",
    "Slo",
    "SmokeRequest",
    "StartupTimeouts",
    "TruthCheck",
    "Turns",
    "Verification",
    "Window",
    "Workload",
]

_HOMES = {
    "benchmarking.history.resources": ("BenchmarkHistory",),
    "benchmarking.jobs.resources": ("BenchmarkJobs",),
    "engine": ("LoraOptions", "SglangOptions"),
    "errors": ("ConfigurationError",),
    "hardware": ("Gpu", "GpuInstance"),
    "serving.adapters.adapter": ("Adapter",),
    "serving.adapters.source": ("AdapterSource",),
    "serving.alarms.alarms": ("Alarms",),
    "serving.alarms.metrics": ("ServingMetrics",),
    "serving.component.component": ("InferenceComponent",),
    "serving.endpoint.endpoint": ("InferenceEndpoint",),
    "serving.endpoint.inference_route": ("InferenceRoute", "RouteDestination"),
    "serving.endpoint.network": ("EndpointNetwork",),
    "serving.image.image": ("ServingImage",),
    "serving.weights.model_source": ("ModelSource",),
    "spec.alarms": ("NoAlarms",),
    "spec.capacity": ("Capacity",),
    "spec.container_base": ("ContainerBase",),
    "spec.endpoint_rollout": ("EndpointRollout",),
    "spec.fit_check": ("NoFitCheck",),
    "spec.idle_alarm": ("IdleAlarm",),
    "spec.image_facts": ("SglangDlc",),
    "spec.load": ("Load",),
    "spec.placement": ("Placement",),
    "spec.reservation": ("OnDemandMove",),
    "spec.resources": ("HostResources",),
    "spec.rollback_alarms": ("RollbackAlarms",),
    "spec.rollout": ("BatchSize", "ComponentRollout"),
    "spec.routing": ("Routing",),
    "spec.scale_in": ("ScaleIn",),
    "spec.scaling": ("ComponentScaling", "Concurrency", "InvocationsPerMinute", "MetricMath", "MetricStat"),
    "spec.schedules": ("NightlyStop", "Window"),
    "spec.slo": ("Slo",),
    "spec.startup": ("StartupTimeouts",),
    "spec.verification": ("NoTruthCheck", "NoVerification", "SmokeRequest", "TruthCheck", "Verification"),
    "spec.workload": ("Dataset", "Goodput", "SharedPrefix", "Turns", "Workload"),
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
