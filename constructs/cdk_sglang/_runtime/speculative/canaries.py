"""The two canaries of a gate: the live component's image, options and GPUs, once with its base alone and once with the candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .base_model import container_of, specification_of
from .config import Config

BASE, DRAFT = "base", "draft"
SIDES = (BASE, DRAFT)
VARIABLES = "SM_SGLANG_SPECULATIVE_"
_DRAFT_FOLDER = "/opt/ml/model/draft"
_TAG = "cdk-sglang:run"


@dataclass(frozen=True, kw_only=True)
class Speculation:
    """How the candidate generates draft tokens.

    Attributes:
        algorithm: SGLang's name of the algorithm.
        steps: Draft steps; None if the algorithm has none.
        topk: Width of the draft tree; None if the algorithm has none.
        draft_tokens: Tokens that are verified at once.
        prefix: Prefix of the model's files.
    """

    algorithm: str
    steps: int | None
    topk: int | None
    draft_tokens: int | None
    prefix: str

    @classmethod
    def of(cls, draft: Mapping[str, Any]) -> Speculation:
        """Read the result of `read_draft`."""
        values: dict[str, Any] = {
            key: draft.get(key) for key in ("algorithm", "steps", "topk", "draft_tokens", "prefix")
        }
        return cls(**values)

    def environment(self, *, kind: str) -> dict[str, str]:
        """Return the container's variables.

        Args:
            kind: Kind of the draft.
        """
        values = {
            "ALGORITHM": self.algorithm,
            "NUM_STEPS": self.steps,
            "EAGLE_TOPK": self.topk,
            "NUM_DRAFT_TOKENS": self.draft_tokens,
            "DRAFT_MODEL_PATH": _DRAFT_FOLDER if kind in {"eagle", "draft"} else None,
        }
        return {f"{VARIABLES}{name}": str(value) for name, value in values.items() if value is not None}

    def value(self, version: str, accept_length: float | None) -> str:
        """Return the value of the serving stack's parameter.

        Args:
            version: Name of the version.
            accept_length: Accept length of the gate; None if it was not measured, so that the stack creates no alarm on it.
        """
        fields = (version, self.prefix, self.algorithm, self.steps, self.topk, self.draft_tokens)
        length = "" if accept_length is None else f"{accept_length:.2f}"
        return ",".join(["" if field is None else str(field) for field in fields] + [length])


def name_of(run: str, side: str) -> str:
    """Return the name of a canary: of its model and of its component."""
    return f"gate-{run}-{side}"


def endpoint_of(run: str) -> str:
    """Return the name of a run's second endpoint, and of its configuration."""
    return f"gate-{run}"


def tags(run: str, config: Config) -> list[dict[str, str]]:
    """Return the tags of the resources that a gate creates."""
    return [
        {"Key": _TAG, "Value": run},
        {"Key": "cdk-sglang:environment", "Value": config.environment},
    ]


def model_request(
    config: Config, run: str, side: str, *, live: Mapping[str, Any], speculation: Speculation
) -> dict[str, Any]:
    """Return the request for a canary's model: the live one with other files and other options of speculation.

    Args:
        config: Configuration.
        run: Name of the run.
        side: `base` or `draft`.
        live: Description of the live model.
        speculation: How the candidate generates draft tokens.
    """
    container = container_of(live)
    environment = {
        name: value for name, value in (container.get("Environment") or {}).items() if not name.startswith(VARIABLES)
    }
    uri = config.base.uri
    if side == DRAFT:
        environment |= speculation.environment(kind=config.kind)
        if config.kind in {"eagle", "draft"}:
            uri = f"s3://{config.bucket}/{speculation.prefix}"
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    primary_container: dict[str, Any] = {
        "Image": container["Image"],
        "Environment": environment,
        "ModelDataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "CompressionType": "None",
                **{key: value for key, value in source.items() if key == "ModelAccessConfig"},
                "S3Uri": uri,
            }
        },
    }
    return {
        "ModelName": name_of(run, side),
        "ExecutionRoleArn": config.execution_role_arn,
        "PrimaryContainer": primary_container,
        "Tags": tags(run, config),
        **{key: live[key] for key in ("VpcConfig", "EnableNetworkIsolation") if live.get(key)},
    }


def component_request(
    config: Config, run: str, side: str, *, live: Mapping[str, Any], endpoint: str, variant: str
) -> dict[str, Any]:
    """Return the request for a canary's component: one copy, with the live component's needs.

    Args:
        config: Configuration.
        run: Name of the run.
        side: `base` or `draft`.
        live: Description of the live component.
        endpoint: Endpoint that it is created on.
        variant: Variant of that endpoint.
    """
    specification = specification_of(live, config.gate.instance)
    live_fields = {
        key: specification[key]
        for key in ("StartupParameters", "ComputeResourceRequirements", "DataCacheConfig")
        if specification.get(key)
    }
    metrics = (specification.get("Container") or {}).get("ContainerMetricsConfig")
    return {
        "InferenceComponentName": name_of(run, side),
        "EndpointName": endpoint,
        "VariantName": variant,
        "Specification": {
            "ModelName": name_of(run, side),
            **live_fields,
            **({"Container": {"ContainerMetricsConfig": metrics}} if metrics else {}),
        },
        "RuntimeConfig": {"CopyCount": 1},
        "Tags": tags(run, config),
    }


def gpus_of(live: Mapping[str, Any], instance: str) -> int:
    """Return the GPUs of a copy."""
    needs = specification_of(live, instance).get("ComputeResourceRequirements") or {}
    return max(1, round(needs.get("NumberOfAcceleratorDevicesRequired") or 1))


def config_request(config: Config, run: str, *, live: Mapping[str, Any], instances: int) -> dict[str, Any]:
    """Return the request for the second endpoint's configuration: the live one with fixed instances, and without data capture.

    Args:
        config: Configuration.
        run: Name of the run.
        live: Description of the live endpoint's configuration.
        instances: Number of instances.
    """
    variant = next(iter(live.get("ProductionVariants") or [{}]))
    kept = {
        key: variant[key]
        for key in (
            *("InferenceAmiVersion", "VolumeSizeInGB", "ModelDataDownloadTimeoutInSeconds"),
            "ContainerStartupHealthCheckTimeoutInSeconds",
        )
        if variant.get(key)
    }
    return {
        "EndpointConfigName": endpoint_of(run),
        "ProductionVariants": [
            {
                "VariantName": "gate",
                "InstanceType": config.gate.instance,
                "InitialInstanceCount": instances,
                "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
                **kept,
            }
        ],
        "ExecutionRoleArn": live.get("ExecutionRoleArn") or config.execution_role_arn,
        "Tags": tags(run, config),
        **{key: live[key] for key in ("VpcConfig", "EnableNetworkIsolation", "MetricsConfig") if live.get(key)},
    }
