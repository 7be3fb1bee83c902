"""Files of models and adapters: their contents, and checks of their completeness. No CDK, no network."""

from cdk_sglang.weights.adapter_config import AdapterConfig, same_base_model
from cdk_sglang.weights.adapter_files import AdapterFiles

__all__ = ["AdapterConfig", "AdapterFiles", "same_base_model"]
