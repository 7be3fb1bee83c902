"""Settings of the agent, from the environment variables that the stack sets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from intake import prompts
from intake.errors import TurnError

MAX_ANSWER_TOKENS: Final = 2048
"""Tokens of one answer, unless the environment says otherwise: a report of three pages."""
READ_SECONDS: Final = 120
"""Maximum silence of the endpoint; SageMaker itself ends a response stream after 8 minutes."""

_REQUIRED: Final = {"endpoint": "CDK_SGLANG_ENDPOINT", "component": "CDK_SGLANG_COMPONENT"}
_APIS: Final = ("sagemaker", "openai")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the agent talks to, and its limits.

    Args:
        endpoint: Name of the SageMaker endpoint.
        component: Name of the inference component on it: a base component or an adapter.
        adapter: Label of the adapter for traces; empty for a base component.
        model_api: `sagemaker` (InvokeEndpointWithResponseStream) or `openai` (the endpoint's OpenAI-compatible path).
        gateway_url: Address of the MCP gateway; empty for an agent without gateway tools.
        memory_id: Id of the AgentCore memory; empty if there is none.
        max_tool_calls: Tool calls of one turn.
        token_budget: Tokens of one turn, read and written.
        answer_tokens: Tokens of one answer of the model, at which it is cut off.
        wake_seconds: Seconds for which a turn waits for a component without a copy.
        prompt_version: Version of the system prompt in `prompts/`; the newest if the variable is missing.
        environment: Name of the environment, for traces.
        region: AWS Region.
    """

    endpoint: str
    component: str
    adapter: str = ""
    model_api: str = "sagemaker"
    gateway_url: str = ""
    memory_id: str = ""
    max_tool_calls: int = 8
    token_budget: int = 20_000
    answer_tokens: int = MAX_ANSWER_TOKENS
    wake_seconds: int = 900
    prompt_version: str = "1"
    environment: str = ""
    region: str = "us-east-1"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings.

        Args:
            environment: Environment variables.

        Raises:
            TurnError: Variables are missing or have values that are not allowed; the text names each in one line.
        """
        problems = [f"{name} is not set" for name in _REQUIRED.values() if not environment.get(name)]
        api = environment.get("CDK_SGLANG_MODEL_API") or "sagemaker"
        if api not in _APIS:
            problems.append(f"CDK_SGLANG_MODEL_API is {api!r}, allowed are {' and '.join(_APIS)}")
        version = environment.get("CDK_SGLANG_PROMPT_VERSION") or prompts.newest()
        if not _VERSION.fullmatch(version):
            problems.append("CDK_SGLANG_PROMPT_VERSION has characters other than letters, digits, '.', '_', '-'")
        numbers = {
            name: _number(environment, f"CDK_SGLANG_{name.upper()}", default, problems)
            for name, default in (
                ("max_tool_calls", 8),
                ("token_budget", 20_000),
                ("answer_tokens", MAX_ANSWER_TOKENS),
                ("wake_seconds", 900),
            )
        }
        if numbers["answer_tokens"] == 0:
            problems.append("CDK_SGLANG_ANSWER_TOKENS is '0', and an answer has 1 token or more")
        if problems:
            raise TurnError(
                "settings", f"The agent is not set up: {'; '.join(problems)}. Deploy the agent's stack again."
            )
        return cls(
            endpoint=environment["CDK_SGLANG_ENDPOINT"],
            component=environment["CDK_SGLANG_COMPONENT"],
            adapter=environment.get("CDK_SGLANG_ADAPTER", ""),
            model_api=api,
            gateway_url=environment.get("CDK_SGLANG_GATEWAY_URL", ""),
            memory_id=environment.get("CDK_SGLANG_MEMORY_ID", ""),
            prompt_version=version,
            environment=environment.get("CDK_SGLANG_ENVIRONMENT", ""),
            region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
            **numbers,
        )


def _number(environment: Mapping[str, str], name: str, default: int, problems: list[str]) -> int:
    value = environment.get(name) or str(default)
    if not value.isdecimal():
        problems.append(f"{name} is {value!r}, allowed are whole numbers of 0 or more")
        return default
    return int(value)
