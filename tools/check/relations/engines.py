"""What runs in containers: whether it fits its instances, and whether SGLang and the agent can read the variables that they are given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cdk_sglang.engine.parsing import parse
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.hardware.instances import GpuInstance
from tools.check.graph import COMPONENT, CONFIG, Environment, Graph, listed, literal, references

_MODEL: Final = "AWS::SageMaker::Model"
_RUNTIME: Final = "AWS::BedrockAgentCore::Runtime"
_MIB: Final = 1024
_RELEASE: Final = re.compile(r"/sglang:(\d+\.\d+\.\d+)-gpu")
_TAG: Final = "cdk-sglang:component"

VARIABLES: Final[tuple[tuple[str, str], ...]] = (
    (r"CDK_SGLANG_MODEL_API", r"sagemaker|openai"),
    (r"CDK_SGLANG_(MAX_TOOL_CALLS|TOKEN_BUDGET|ANSWER_TOKENS|WAKE_SECONDS)", r"\d+"),
    (r"\w+_(ENABLED|DISABLED)", r"true|false"),
    (r"OTEL_PYTHON_DISTRO", r"aws_distro"),
    (r"OTEL_PYTHON_CONFIGURATOR", r"aws_configurator"),
    (r"OTEL_PYTHON_\w+_EXCLUDED_URLS", r"[a-z,]+"),
    (r"AWS_REDACT_SPAN_ATTRIBUTES", r"none|(?=.*[.,])[a-z_.*,]+"),
)
"""Patterns of an agent's variables and of their values: this project's settings, and
https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/observability-configure.html (read 2026-12)."""


def findings(graph: Graph, environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield place and message of each component that fits no instance of its endpoint, and of each variable that its reader refuses."""
    for name, model in graph.of_type(_MODEL).items():
        container = model["Properties"].get("PrimaryContainer", {})
        yield from ((name, message) for message in _unread(container))
    variants = [
        variant for config in graph.of_type(CONFIG).values() for variant in config["Properties"]["ProductionVariants"]
    ]
    for name, component in graph.of_type(COMPONENT).items():
        yield from ((name, message) for message in _of_component(component, variants, graph))
    for name, runtime in graph.of_type(_RUNTIME).items():
        yield from ((name, message) for message in _of_agent(runtime["Properties"], environment))


def _unread(container: Mapping[str, Any]) -> Iterator[str]:
    variables = {key: value for key, value in container.get("Environment", {}).items() if isinstance(value, str)}
    release = _RELEASE.search(literal(container.get("Image")) or str(container.get("Image")))
    try:
        left = parse(variables, sglang_version=release[1] if release else None).left
    except ConfigurationError as error:
        left = {problem.path: problem.text for problem in error.problems}
    for variable, reason in left.items():
        yield f"{variable}: {reason}"
    for variable, value in variables.items():
        if value.strip().lower() in {"true", "false"}:
            continue
        if re.search(r"_ENABLE_|_DISABLE_", variable):
            yield f"{variable}: {value!r} is neither true nor false"


def _of_component(component: Mapping[str, Any], variants: list[Any], graph: Graph) -> Iterator[str]:
    properties = component["Properties"]
    specifications = [*listed(properties.get("Specification")), *listed(properties.get("Specifications"))]
    offered = {
        str(one)
        for variant in variants
        if variant.get("VariantName") == properties.get("VariantName")
        for one in (
            *listed(variant.get("InstanceType")),
            *(pool.get("InstanceType") for pool in listed(variant.get("InstancePools"))),
        )
    }
    described = {str(one["InstanceType"]) for one in specifications if "InstanceType" in one}
    if described and offered and described != offered:
        yield f"has specifications for {', '.join(sorted(described))}, and its variant has {', '.join(sorted(offered))}"
    for specification in specifications:
        types = [str(specification["InstanceType"])] if "InstanceType" in specification else sorted(offered)
        needs = specification.get("ComputeResourceRequirements")
        if isinstance(needs, Mapping) and types:
            problems = [_too_large(needs, one) for one in types]
            yield from (line for lines in problems for line in lines)
        for found in references(specification.get("ModelName")):
            own, other = _tag(properties), _tag(graph.resources.get(found.target, {}).get("Properties", {}))
            if own and other and own != other:
                yield f"is {own}, and serves the model of {other} ({found.target})"


def _too_large(needs: Mapping[str, Any], instance_type: str) -> list[str]:
    try:
        instance = GpuInstance.of(instance_type)
    except ConfigurationError:
        return []
    limits = {
        "NumberOfAcceleratorDevicesRequired": instance.gpu_count,
        "NumberOfCpuCoresRequired": instance.vcpus,
        "MinMemoryRequiredInMb": instance.memory_gib * _MIB,
    }
    return [
        f"{key} {value:g} is more than the {limits[key]:g} of {instance_type}"
        for key, value in needs.items()
        if key in limits and isinstance(value, (int, float)) and value > limits[key]
    ] + [
        f"{key} {value:g} is no whole number"
        for key, value in needs.items()
        if isinstance(value, float) and value != int(value)
    ]


def _tag(properties: Mapping[str, Any]) -> str:
    return next((str(tag.get("Value")) for tag in listed(properties.get("Tags")) if tag.get("Key") == _TAG), "")


def _of_agent(properties: Mapping[str, Any], environment: Environment) -> Iterator[str]:
    variables = properties.get("EnvironmentVariables", {})
    for name, value in variables.items():
        if not isinstance(value, str):
            continue
        for pattern, allowed in VARIABLES:
            if re.fullmatch(pattern, name) and not re.fullmatch(allowed, value):
                yield f"{name}: {value!r} does not match {allowed}"
    for name, known in (
        ("CDK_SGLANG_ENDPOINT", environment.endpoints),
        ("CDK_SGLANG_COMPONENT", environment.components),
    ):
        value = variables.get(name)
        if known and isinstance(value, str) and value not in known:
            yield f"{name} is {value}, and the environment has {', '.join(sorted(known))}"
    entry = [
        one
        for code in listed(properties.get("AgentRuntimeArtifact", {}).get("CodeConfiguration"))
        for one in listed(code.get("EntryPoint"))
    ]
    if entry and not str(entry[-1]).endswith(".py"):
        yield f"EntryPoint {entry} names no Python file to start"
