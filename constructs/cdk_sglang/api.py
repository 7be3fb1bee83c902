"""The public API: what `from cdk_sglang import ...` finds, loaded when the first name is asked for."""

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import Gpu, GpuInstance
from cdk_sglang.serving.adapter import Adapter
from cdk_sglang.serving.adapter_source import AdapterSource
from cdk_sglang.serving.alarms import Alarms, NoAlarms
from cdk_sglang.serving.capacity import Capacity
from cdk_sglang.serving.component import HostResources, InferenceComponent
from cdk_sglang.serving.endpoint import InferenceEndpoint
from cdk_sglang.serving.image import ServingImage, SglangDlc
from cdk_sglang.serving.metrics import ServingMetrics
from cdk_sglang.serving.model_source import ModelSource
from cdk_sglang.serving.network import EndpointNetwork
from cdk_sglang.serving.placement import Placement
from cdk_sglang.serving.routing import Routing
from cdk_sglang.serving.scale_in import ScaleIn
from cdk_sglang.serving.scaling import ComponentScaling, Concurrency, InvocationsPerMinute, MetricMath, MetricStat
from cdk_sglang.serving.schedules import NightlyStop, Window
from cdk_sglang.serving.sglang import LoraOptions, SglangOptions
from cdk_sglang.serving.startup import StartupTimeouts
from cdk_sglang.serving.training_plan import OnDemandMove
from cdk_sglang.serving.waste import IdleAlarm
from cdk_sglang.weights import AdapterConfig

__all__ = [
    "Adapter",
    "AdapterConfig",
    "AdapterSource",
    "Alarms",
    "Capacity",
    "ComponentScaling",
    "Concurrency",
    "ConfigurationError",
    "EndpointNetwork",
    "Gpu",
    "GpuInstance",
    "HostResources",
    "IdleAlarm",
    "InferenceComponent",
    "InferenceEndpoint",
    "InvocationsPerMinute",
    "LoraOptions",
    "MetricMath",
    "MetricStat",
    "ModelSource",
    "NightlyStop",
    "NoAlarms",
    "OnDemandMove",
    "Placement",
    "Routing",
    "ScaleIn",
    "ServingImage",
    "ServingMetrics",
    "SglangDlc",
    "SglangOptions",
    "StartupTimeouts",
    "Window",
]
