"""AWS CDK constructs for serving open-weight models with SGLang on Amazon SageMaker."""

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware import Gpu, GpuInstance
from cdk_sglang.serving.adapter import Adapter
from cdk_sglang.serving.adapter_source import AdapterSource
from cdk_sglang.serving.capacity import Capacity
from cdk_sglang.serving.component import HostResources, InferenceComponent
from cdk_sglang.serving.endpoint import InferenceEndpoint
from cdk_sglang.serving.image import ServingImage, SglangDlc
from cdk_sglang.serving.metrics import ServingMetrics
from cdk_sglang.serving.model_source import ModelSource
from cdk_sglang.serving.network import EndpointNetwork
from cdk_sglang.serving.routing import Routing
from cdk_sglang.serving.scale_in import ScaleIn
from cdk_sglang.serving.sglang import LoraOptions, SglangOptions
from cdk_sglang.serving.startup import StartupTimeouts
from cdk_sglang.serving.training_plan import OnDemandMove
from cdk_sglang.weights import AdapterConfig

__all__ = [
    "Adapter",
    "AdapterConfig",
    "AdapterSource",
    "Capacity",
    "ConfigurationError",
    "EndpointNetwork",
    "Gpu",
    "GpuInstance",
    "HostResources",
    "InferenceComponent",
    "InferenceEndpoint",
    "LoraOptions",
    "ModelSource",
    "OnDemandMove",
    "Routing",
    "ScaleIn",
    "ServingImage",
    "ServingMetrics",
    "SglangDlc",
    "SglangOptions",
    "StartupTimeouts",
]
