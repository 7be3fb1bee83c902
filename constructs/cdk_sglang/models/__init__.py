"""Facts read from a model's config.json, and the source of its weights."""

from cdk_sglang.models.architecture import LinearAttention, Mla, ModelArchitecture, Moe, Quantization
from cdk_sglang.models.config import read_config
from cdk_sglang.models.facts import ModelFacts
from cdk_sglang.models.known_models import all_models, catalogue, read_models

__all__ = [
    "LinearAttention",
    "Mla",
    "ModelArchitecture",
    "ModelFacts",
    "Moe",
    "Quantization",
    "all_models",
    "catalogue",
    "read_config",
    "read_models",
]
