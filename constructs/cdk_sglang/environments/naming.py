"""Names that tie the stacks of one environment together."""

from __future__ import annotations

import hashlib
import re

from cdk_sglang.errors import Problem
from cdk_sglang.spec.container_base import ContainerBase
from cdk_sglang.spec.kinds import NAME_MAX_LENGTH, NAME_PATTERN, NAME_WORDS


def stack_name(environment: str, part: str) -> str:
    """Return the CloudFormation name of one part of an environment: "foundation" or an endpoint's name."""
    return f"cdk-sglang-{environment}-{part}"


def endpoint_name(environment: str, endpoint: str) -> str:
    """Return SageMaker's name of an endpoint; its components are called `<this>-<component>`."""
    return f"{environment}-{endpoint}"


def parameter_name(environment: str, value: str) -> str:
    """Return the SSM parameter that hands a value of the foundation to the other stacks.

    Parameters, not exports: an exported value cannot change while another stack reads it, which deadlocks an update.
    """
    return f"/cdk-sglang/{environment}/{value}"


def digest_parameter(base: ContainerBase) -> str:
    """Return the name under which the foundation publishes the digest of the image that is built on a base."""
    return f"image-digest-{hashlib.sha256(base.name.encode()).hexdigest()[:8]}"


def environment_name_problems(name: str) -> list[Problem]:
    """Return what is wrong with the name of an environment, which begins the names of all that is its own."""
    if len(name) > NAME_MAX_LENGTH or not re.fullmatch(NAME_PATTERN, name):
        return [
            Problem(
                "the file's name names the environment",
                f"{name!r} is not allowed; use up to {NAME_MAX_LENGTH} {NAME_WORDS}",
            )
        ]
    return []
