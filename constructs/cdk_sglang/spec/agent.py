"""The optional agent of an environment: its model, its tools, and who may call it."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import Problem
from cdk_sglang.spec.alternatives import OneOf
from cdk_sglang.spec.kinds import NAME_PATTERN, Name, matching, unique
from cdk_sglang.validation import Spec

REFERENCE_TARGET: Final = "clinical"
"""Name of the gateway target with the project's own tools."""

_TARGET: Final = rf"{NAME_PATTERN}/{NAME_PATTERN}(/{NAME_PATTERN})?"
_MINUTES_PER_HOUR: Final = 60
_ENDPOINT_NAME: Final = r"[a-zA-Z][a-zA-Z0-9_]{0,47}"
"""botocore 1.44.5, bedrock-agentcore-control EndpointName."""


def _served(value: str) -> str:
    if not re.fullmatch(_TARGET, value):
        raise ValueError(
            f"{value!r} is not allowed; use <endpoint>/<component> or <endpoint>/<component>/<adapter>, such as chat/llama"
        )
    return value


Served = Annotated[str, AfterValidator(_served), WithJsonSchema({"type": "string", "pattern": f"^{_TARGET}$"})]
"""A component of this file as <endpoint>/<component>, or an adapter of it as <endpoint>/<component>/<adapter>."""


class JwtAuthorizer(Spec):
    """Callers with a token of an identity provider."""

    _noun: ClassVar[str] = "jwt"

    discovery_url: Annotated[
        str,
        *matching(
            r"https://.+/\.well-known/openid-configuration",
            "the provider's discovery URL, such as https://id.example.com/.well-known/openid-configuration",
        ),
    ]
    """OpenID Connect discovery URL of the provider: https://…/.well-known/openid-configuration."""
    allowed_clients: Annotated[tuple[str, ...], Field(strict=False), AfterValidator(unique)] = ()
    """Client ids whose tokens are accepted; any by default."""
    allowed_audience: Annotated[tuple[str, ...], Field(strict=False), AfterValidator(unique)] = ()
    """Audiences whose tokens are accepted; any by default."""

    @model_validator(mode="after")
    def _narrowed(self) -> Self:
        if not self.allowed_clients and not self.allowed_audience:
            raise ValueError(
                "without a list every token of the provider is accepted; give allowed_clients or allowed_audience"
            )
        return self


class IamAuthorizer(Spec):
    """Callers with AWS credentials and permission to invoke the runtime."""

    _noun: ClassVar[str] = "iam"


class Authorizer(OneOf):
    """Who may call the agent."""

    _noun: ClassVar[str] = "authorizer"
    _alternatives: ClassVar[tuple[str, ...]] = ("iam", "jwt")

    iam: IamAuthorizer | None = None
    """AWS credentials (SigV4)."""
    jwt: JwtAuthorizer | None = None
    """Tokens of an identity provider."""


class AgentMemorySettings(Spec):
    """Short-term memory: keeps the conversation of a session after its process ends."""

    _noun: ClassVar[str] = "memory"

    enabled: bool = False
    """Whether conversations are kept, encrypted with the environment's key. Off by default, because they contain whatever users say."""
    expiry_days: int = Field(default=7, ge=7, le=365)
    """Days after which AgentCore deletes an event (https://docs.aws.amazon.com/bedrock-agentcore, 7 to 365; aws-cdk-lib 2.275.0)."""


class OwnTool(Spec):
    """The author's own Lambda function behind the gateway."""

    _noun: ClassVar[str] = "tool"

    function_arn: Annotated[
        str,
        *matching(
            r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[a-zA-Z0-9_-]{1,64}(:[a-zA-Z0-9_-]+)?",
            "the ARN of a Lambda function, such as arn:aws:lambda:us-east-1:111122223333:function:scheduler",
        ),
    ]
    """ARN of the function, with an alias if you want one."""
    schema_file: str = Field(alias="schema", min_length=1)
    """JSON file with the function's tools: a list of name, description and inputSchema, in JSON Schema."""


class AgentTools(Spec):
    """What the agent can do besides talking."""

    _noun: ClassVar[str] = "tools"

    reference: bool = True
    """The project's clinical-intake tools, with a table of patients and a bucket of reports."""
    own: dict[Name, OwnTool] = Field(default={}, max_length=10, json_schema_extra={"additionalProperties": False})
    """Your own Lambda functions, by the name of their gateway target. The model sees each tool as `<target>___<tool>`."""

    @property
    def any(self) -> bool:
        """Whether the agent has tools, and therefore a gateway."""
        return self.reference or bool(self.own)

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        if self.reference and REFERENCE_TARGET in self.own:
            raise_if_any(
                [
                    Problem(
                        f"own.{REFERENCE_TARGET}",
                        "is the name of the project's own tools; rename it, or set reference: false",
                    )
                ]
            )
        return self


class AgentSession(Spec):
    """How long a session lives."""

    _noun: ClassVar[str] = "session"

    idle_minutes: int = Field(default=15, ge=1, le=480)
    """Minutes without a request after which AgentCore ends the session's process."""
    max_hours: int = Field(default=8, ge=1, le=8)
    """Hours after which AgentCore ends the session in any case."""

    @model_validator(mode="after")
    def _idle_ends_first(self) -> Self:
        if self.idle_minutes > self.max_hours * _MINUTES_PER_HOUR:
            raise_if_any(
                [
                    Problem(
                        "idle_minutes",
                        f"{self.idle_minutes} is longer than max_hours: {self.max_hours}; use {self.max_hours * _MINUTES_PER_HOUR} or fewer",
                    )
                ]
            )
        return self


class AgentContainer(Spec):
    """The author's own image instead of a zip of code."""

    _noun: ClassVar[str] = "container"

    repository: Annotated[
        str, *matching(r"[a-z0-9]+([._/-][a-z0-9]+)*", "the name of an ECR repository in this account", max_length=256)
    ]
    """Name of the ECR repository, in the environment's account and Region."""
    digest: Annotated[str, *matching(r"sha256:[0-9a-f]{64}", "an image digest, such as sha256:… of `docker push`")]
    """Digest of an arm64 image that listens on port 8080."""


class Agent(Spec):
    """The optional agent stack: a Strands agent on Bedrock AgentCore whose model is a component of this environment."""

    _noun: ClassVar[str] = "agent"

    enabled: bool = False
    """Whether the agent is deployed."""
    component: Served | None = None
    """The model: <endpoint>/<component> of this file, or <endpoint>/<component>/<adapter>."""
    code: str | None = None
    """Folder of your own agent, with main.py and requirements.lock; the project's agent by default."""
    container: AgentContainer | None = None
    """Your own image instead of code."""
    model_api: Literal["sagemaker", "openai"] = "sagemaker"
    """`sagemaker`: requests signed with SigV4; `openai`: SageMaker's OpenAI-compatible path with bearer tokens."""
    prompt_version: Annotated[str, *matching(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,31}", "a version, such as v1")] | None = None
    """Version of the system prompt; the agent's newest by default."""
    memory: AgentMemorySettings = AgentMemorySettings()
    """Short-term memory; off by default."""
    tools: AgentTools = AgentTools()
    """Tools behind the gateway. Without tools there is no gateway."""
    policy: Literal["none", "log_only", "enforce"] = "none"
    """Cedar policies at the gateway: `log_only` logs the calls that they would deny, `enforce` denies every call that no policy permits."""
    authorizer: Authorizer = Authorizer(iam=IamAuthorizer())
    """Who may call the agent; AWS credentials by default. The gateway itself always requires AWS credentials."""
    network: Literal["public", "vpc"] = "public"
    """`vpc`: the agent runs in the environment's subnets."""
    session: AgentSession = AgentSession()
    """How long a session lives."""
    endpoints: dict[
        Annotated[str, *matching(_ENDPOINT_NAME, "letters, digits and underscores, a letter first, up to 48")],
        Annotated[int, Field(ge=1, le=99999)],
    ] = Field(default={}, max_length=9, json_schema_extra={"additionalProperties": False})
    """Named endpoints of the runtime, each pinned to a version, such as stable: 3. AgentCore's own DEFAULT endpoint always uses the newest."""
    max_tool_calls: int = Field(default=8, ge=1, le=50)
    """Maximum number of tool calls in one turn; the agent then stops and says so."""
    token_budget: int = Field(default=20_000, ge=500, le=1_000_000)
    """Maximum number of tokens in one turn, counting the input and output of all its model calls; the agent then stops and says so."""
    answer_tokens: int | None = Field(default=None, ge=16, le=1_000_000)
    """Maximum number of tokens in one answer; the model is cut off there and the agent says so. The agent's own limit by default (2048 for the
    project's agent)."""
    failed_turns_alarm: int | None = Field(default=None, ge=1, le=1_000_000)
    """Number of failed turns within 15 minutes, on one endpoint of the runtime, at which an alarm notifies; no alarm by default."""
    redact: bool = True
    """Whether prompts, answers and tool arguments are removed from traces."""
    mlflow: bool = False
    """Whether traces are also kept in a serverless MLflow app."""

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        problems = []
        if self.enabled and self.component is None:
            problems.append(Problem("component", "missing; an agent needs a model, as <endpoint>/<component>"))
        if self.container is not None and self.code is not None:
            problems.append(Problem("container", "goes without code, got both; remove one"))
        if self.policy != "none" and not self.tools.any:
            problems.append(
                Problem(
                    "policy", f"{self.policy} needs a gateway, and there are no tools; use policy: none or add tools"
                )
            )
        if "DEFAULT" in self.endpoints:
            problems.append(
                Problem("endpoints.DEFAULT", "is AgentCore's own endpoint of the newest version; choose another name")
            )
        raise_if_any(problems)
        return self
