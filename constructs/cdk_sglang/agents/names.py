"""Names of AgentCore resources and their maximum lengths. No CDK.

Limits: botocore 1.44.5, bedrock-agentcore-control, and aws-cdk-lib 2.275.0, which enforces the same limits at synth.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cdk_sglang.errors import Problem

NAME_MAX_LENGTH: Final = 48
"""Of runtimes, gateways and memories."""
TOOL_MAX_LENGTH: Final = 64
"""Of a function in a chat request (https://platform.openai.com/docs/api-reference/chat/create, read 2026-11): `<target>___<tool>`."""
SEPARATOR: Final = "___"
"""Between target and tool (https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/gateway-tool-naming.html, read 2026-11)."""
_HASH_LENGTH: Final = 8


def runtime_name(environment: str) -> str:
    """Return the name of an environment's runtime: letters, digits and underscores."""
    return f"{environment.replace('-', '_')}_agent"


def memory_name(environment: str) -> str:
    """Return the name of an environment's memory: letters, digits and underscores."""
    return f"{runtime_name(environment)}_memory"


def gateway_name(environment: str) -> str:
    """Return the name of an environment's gateway: letters, digits and single hyphens."""
    return f"{environment}-tools"


def policy_engine_name(environment: str) -> str:
    """Return the name of an environment's policy engine: letters, digits and underscores."""
    return f"{environment.replace('-', '_')}_tools"


def seen_name(target: str, tool: str) -> str:
    """Return the name by which an agent sees a tool of a target."""
    return f"{target}{SEPARATOR}{tool}"


def policy_name(tool_name: str) -> str:
    """Return the name of the policy that permits a tool: letters, digits and underscores; one that is too long ends in a hash of it.

    Args:
        tool_name: Name by which an agent sees the tool.
    """
    name = f"permit_{tool_name.replace('-', '_')}"
    if len(name) <= NAME_MAX_LENGTH and "-" not in tool_name:
        return name
    end = hashlib.sha256(tool_name.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{name[: NAME_MAX_LENGTH - _HASH_LENGTH - 1]}_{end}"


def name_problems(names: dict[str, str], path: str) -> list[Problem]:
    """Say which names are too long.

    Args:
        names: Names by the kind of resource that they name.
        path: Path of the setting from which they are derived.
    """
    return [
        Problem(
            path,
            f"the name of the {what} would be {name!r} with {len(name)} characters, {NAME_MAX_LENGTH} are allowed; "
            f"shorten the environment's name by {len(name) - NAME_MAX_LENGTH}",
        )
        for what, name in names.items()
        if len(name) > NAME_MAX_LENGTH
    ]
