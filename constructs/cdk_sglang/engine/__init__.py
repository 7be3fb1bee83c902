"""SGLang's server options: typed, checked against the real parser, rendered for the container. No CDK."""

from cdk_sglang.engine.environment import environment_problems
from cdk_sglang.engine.groups import HicacheOptions, LoraOptions, SpeculativeOptions, TracingOptions
from cdk_sglang.engine.options import SglangOptions
from cdk_sglang.engine.parsers import SuggestedParsers, suggested_parsers
from cdk_sglang.engine.rendering import ImageKind

__all__ = [
    "HicacheOptions",
    "ImageKind",
    "LoraOptions",
    "SglangOptions",
    "SpeculativeOptions",
    "SuggestedParsers",
    "TracingOptions",
    "environment_problems",
    "suggested_parsers",
]
