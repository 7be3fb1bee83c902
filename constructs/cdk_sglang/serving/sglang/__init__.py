"""SGLang's server options: typed, checked against the real parser, rendered for the container. No CDK."""

from cdk_sglang.serving.sglang.environment import environment_problems
from cdk_sglang.serving.sglang.groups import HicacheOptions, LoraOptions, SpeculativeOptions, TracingOptions
from cdk_sglang.serving.sglang.model_base import problem_lines
from cdk_sglang.serving.sglang.options import SglangOptions
from cdk_sglang.serving.sglang.parsers import SuggestedParsers, suggested_parsers
from cdk_sglang.serving.sglang.rendering import ImageKind

__all__ = [
    "HicacheOptions",
    "ImageKind",
    "LoraOptions",
    "SglangOptions",
    "SpeculativeOptions",
    "SuggestedParsers",
    "TracingOptions",
    "environment_problems",
    "problem_lines",
    "suggested_parsers",
]
