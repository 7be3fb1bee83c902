"""A component that tests of benchmarks measure."""

from __future__ import annotations

from cdk_sglang import Load
from cdk_sglang.benchmarking.result import Deployed
from cdk_sglang.benchmarking.target import Target
from cdk_sglang.hardware import GpuInstance

DEPLOYED = Deployed(
    instance="ml.g6e.2xlarge", instances=1, copies=1, gpus=1, image="i", sglang_version="0.5.20", options="{}",
    options_hash="x", model="m", model_revision="r",
)  # fmt: skip
TARGET = Target(
    environment="prod", path="chat/qwen", endpoint_name="prod-chat", component_name="prod-chat-qwen", region="us-east-1",
    load=Load(), slo=None, model="m", model_revision="r", sglang_version="0.5.20",
    instance=GpuInstance.named("ml.g6e.2xlarge"), gpus=1, request=None,
)  # fmt: skip
