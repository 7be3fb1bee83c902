"""Files of models and adapters: what is in them and whether they are whole. No CDK, no network."""

from cdk_sglang.weights.adapter_config import AdapterConfig, same_base_model
from cdk_sglang.weights.adapter_files import AdapterFiles

__all__ = ["AdapterConfig", "AdapterFiles", "same_base_model"]
