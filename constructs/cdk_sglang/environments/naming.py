"""Names by which the stacks of one environment refer to each other."""

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
    """Return the SageMaker name of an endpoint; its components are named `<endpoint_name>-<component>`."""
    return f"{environment}-{endpoint}"


def parameter_name(environment: str, value: str) -> str:
    """Return the SSM parameter that passes a value of the foundation to the other stacks.

    Parameters are used instead of exports: an exported value cannot change while another stack imports it, which would block updates.
    """
    return f"/cdk-sglang/{environment}/{value}"


def digest_parameter(base: ContainerBase) -> str:
    """Return the name of the parameter in which the foundation publishes the digest of the image that is built on a base."""
    return f"image-digest-{hashlib.sha256(base.name.encode()).hexdigest()[:8]}"


def environment_name_problems(name: str) -> list[Problem]:
    """Return what is wrong with the name of an environment, which is the prefix of all its resource names."""
    if len(name) > NAME_MAX_LENGTH or not re.fullmatch(NAME_PATTERN, name):
        return [
            Problem(
                "the file's name names the environment",
                f"{name!r} is not allowed; use up to {NAME_MAX_LENGTH} {NAME_WORDS}",
            )
        ]
    return []
