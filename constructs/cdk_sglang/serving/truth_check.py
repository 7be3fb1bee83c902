"""A deployment is done when what was asked is live and answers, not when CloudFormation says so.

SageMaker can take an update back without an error, and CloudFormation then goes on as if it had worked (docs/adr/0030).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, Dependable, DependencyGroup, IConstruct

from cdk_sglang.errors import ConfigurationError
from cdk_sglang.serving import permissions
from cdk_sglang.serving.acknowledge import acknowledge, acknowledge_wildcards
from cdk_sglang.serving.runtime_functions import LogOptions, make_function, make_provider
from cdk_sglang.serving.tokens import is_token

if TYPE_CHECKING:
    from cdk_sglang.serving.component import InferenceComponent
    from cdk_sglang.serving.endpoint import InferenceEndpoint

_ID: Final = "CdkSglangTruth"
TRUTH_ID: Final = "Truth"
"""Beginning of the ids of an endpoint's own resources."""

# CloudFormation waits an hour for a custom resource and no longer
# (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-customresource.html); the check ends by
# itself before that, since CDK's provider framework gives no reason when its own time is over.
TIMEOUT_MIN_MINUTES: Final = 5
TIMEOUT_MAX_MINUTES: Final = 55
_PROVIDER_TIMEOUT: Final = cdk.Duration.minutes(59)
_ASK_EVERY: Final = cdk.Duration.seconds(30)
_LOOK: Final = cdk.Duration.minutes(5)

SMOKE_MAX_SECONDS: Final = 60
"""SageMaker gives a model 60 s to answer InvokeEndpoint
(https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html)."""

_PER_RESOURCE: Final = 40
"""Components of one resource: their properties travel twice through a Step Functions execution, which takes 256 KiB
(https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html), and are asked in one Lambda invocation."""

_LONG: Final = 64
_NAMES: Final = "components of the endpoint, whose names begin with its own; more come with later deployments"
_MODELS: Final = "CloudFormation makes the names of models; only those with the endpoint's tag are allowed"
_TARGETS: Final = (
    "application-autoscaling:DescribeScalableTargets has no resource type: "
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html"
)
_WAITER_INVOKES: Final = "the waiter may invoke any version of the framework's own two functions"
_WAITER_LOGS_ERRORS: Final = (
    "the waiter logs its errors; a full log would repeat the properties of the resource at every poll"
)


def _say_ok() -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Say OK."}], "max_tokens": 16, "temperature": 0}


@dataclass(frozen=True, kw_only=True)
class SmokeRequest:
    """The request that shows that a component answers.

    Args:
        body: JSON body of a chat request; a short one by default. Neither it nor the answer is ever logged.
        expect: Where the answer must hold something, as a path with dots; one of them is enough. The message's content or its
            reasoning by default, since a model that thinks first may think through all of a short answer.
        timeout_seconds: How long one request may take, 1 to 60; 60 by default.

    Raises:
        ConfigurationError: No path, a path that is not one, or a time-out out of bounds.
    """

    body: Mapping[str, Any] = field(default_factory=_say_ok)
    expect: tuple[str, ...] = (
        "choices.0.message.content",
        "choices.0.message.reasoning_content",
        "choices.0.message.tool_calls",
    )
    timeout_seconds: int = SMOKE_MAX_SECONDS

    def __post_init__(self) -> None:
        problems = []
        if not self.expect:
            problems.append("smoke.expect: empty; name a field of the answer, such as choices.0.message.content")
        problems += [
            f"smoke.expect: {path!r} is not a path; write field names and positions with dots, such as choices.0.message.content"
            for path in self.expect
            if not path or not all(path.split("."))
        ]
        if not is_token(self.timeout_seconds) and not 1 <= self.timeout_seconds <= SMOKE_MAX_SECONDS:
            problems.append(
                f"smoke.timeout_seconds: {self.timeout_seconds} is not allowed; use 1 to {SMOKE_MAX_SECONDS}, which is what SageMaker waits"
            )
        if self.body.get("stream"):
            problems.append("smoke.body.stream: streams are not read by the check; leave it out")
        if problems:
            raise ConfigurationError(problems)

    def render(self) -> dict[str, Any]:
        """Return it as the function reads it."""
        return {"body": dict(self.body), "expect": list(self.expect), "timeout_seconds": self.timeout_seconds}


@dataclass(frozen=True, kw_only=True)
class TruthCheck:
    """After a deployment, compare what is live with what was asked, and ask every component one question.

    The deployment fails, and CloudFormation rolls it back, when the endpoint serves with another configuration than asked, a component
    with another model, image or environment, copies or scaling bounds are others, or a component does not answer; also
    when that could not be found out. Components at zero copies are woken for it.

    Args:
        timeout_minutes: How long what is on its way is waited for, 5 to 55; 55 by default.
        smoke: The question; a short chat by default. A component may have its own.

    Raises:
        ConfigurationError: The time is out of bounds.
    """

    timeout_minutes: int = TIMEOUT_MAX_MINUTES
    smoke: SmokeRequest = field(default_factory=SmokeRequest)

    def __post_init__(self) -> None:
        if (
            not is_token(self.timeout_minutes)
            and not TIMEOUT_MIN_MINUTES <= self.timeout_minutes <= TIMEOUT_MAX_MINUTES
        ):
            problem = (
                f"truth_check.timeout_minutes: {self.timeout_minutes} is not allowed; use {TIMEOUT_MIN_MINUTES} to {TIMEOUT_MAX_MINUTES}: "
                "CloudFormation waits an hour for it and no longer"
            )
            raise ConfigurationError([problem])


@dataclass(frozen=True, kw_only=True)
class NoTruthCheck:
    """Take CloudFormation's word for it, and say why.

    Args:
        reason: Written into the endpoint's metadata.

    Raises:
        ConfigurationError: The reason is empty.
    """

    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ConfigurationError(["truth_check: no reason given; say why a deployment need not be checked"])


@jsii.implements(cdk.IStableAnyProducer)
class _Components:
    """A list that is complete when the app is synthesised."""

    def __init__(self, produce: Callable[[], list[dict[str, Any]]]) -> None:
        self._produce = produce

    def produce(self) -> list[dict[str, Any]]:
        return self._produce()


class _Later(Dependable):
    """What a resource depends on, complete when the app is synthesised."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[IConstruct] = []

    @property
    def dependency_roots(self) -> list[IConstruct]:
        return self.roots


class TruthFunctions(Construct):
    """The functions that look: one pair in a stack, whatever endpoints it has."""

    def __init__(self, scope: Construct, construct_id: str, *, log_options: LogOptions) -> None:
        super().__init__(scope, construct_id)
        begin = make_function(
            self,
            "Begin",
            source="truth",
            entry="on_event",
            description="Notes when the check of a deployment began",
            timeout=cdk.Duration.minutes(1),
            log_options=log_options,
            statements=[],
        )
        self._look = make_function(
            self,
            "Look",
            source="truth",
            entry="is_complete",
            description="Compares what an endpoint serves with what was asked, and asks its components one question",
            timeout=_LOOK,
            log_options=log_options,
            statements=[iam.PolicyStatement(actions=list(permissions.DESCRIBE_SCALING), resources=["*"])],
            wildcards=["*"],
            wildcard_reason=_TARGETS,
        )
        self._provider = make_provider(
            self,
            "Provider",
            on_event=begin,
            is_complete=self._look,
            query_interval=_ASK_EVERY,
            total_timeout=_PROVIDER_TIMEOUT,
            log_options=log_options,
        )
        for part in ("framework-isComplete", "framework-onTimeout"):
            function = self._provider.node.find_child(part)
            assert isinstance(function, lambda_.Function)
            acknowledge_wildcards(self, self._provider, [f"{function.function_arn}:*"], _WAITER_INVOKES)
        acknowledge(self._provider, ["AwsSolutions-SF1"], _WAITER_LOGS_ERRORS)
        self.service_token: str = self._provider.service_token

    @staticmethod
    def of(scope: Construct, *, log_options: LogOptions) -> TruthFunctions:
        """Return those of the scope's stack, made when they are first asked for."""
        stack = cdk.Stack.of(scope)
        found = stack.node.try_find_child(_ID)
        if found is None:
            found = TruthFunctions(stack, _ID, log_options=log_options)
        assert isinstance(found, TruthFunctions)
        return found

    def allow(self, endpoint: InferenceEndpoint) -> None:
        """Let them look at an endpoint, its components and models."""
        stack = cdk.Stack.of(self)
        components = f"{endpoint.shared.component_arn_prefix}{endpoint.endpoint_name}-*"
        models = stack.format_arn(service="sagemaker", resource="model", resource_name="*")
        self._allow(permissions.DESCRIBE_ENDPOINT, [endpoint.endpoint_arn])
        self._allow(permissions.DESCRIBE_COMPONENT, [components])
        self._allow(permissions.SMOKE_REQUEST, [endpoint.endpoint_arn, components])
        self._look.add_to_role_policy(
            iam.PolicyStatement(
                actions=list(permissions.DESCRIBE_MODEL),
                resources=[models],
                conditions={"StringEquals": {"aws:ResourceTag/cdk-sglang:endpoint": endpoint.endpoint_name}},
            )
        )
        role = self._look.role
        assert role is not None
        acknowledge_wildcards(self, role, [components], _NAMES)
        acknowledge_wildcards(self, role, [models], _MODELS)

    def allow_component(self, component_arn: str) -> None:
        """Let them look at a component whose name does not begin with that of its endpoint."""
        self._allow((*permissions.DESCRIBE_COMPONENT, *permissions.SMOKE_REQUEST), [component_arn])

    def _allow(self, actions: tuple[str, ...], resources: list[str]) -> None:
        self._look.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=resources))


class EndpointTruth:
    """The check of one endpoint: one resource for every forty components.

    A plain value, not a construct. Components are collected in Python and handed over at synth: for a hundred of them, calls into
    jsii are what a synth takes its time for.
    """

    def __init__(self, endpoint: InferenceEndpoint, check: TruthCheck, *, log_options: LogOptions) -> None:
        self._endpoint = endpoint
        self._check = check
        self._log_options = log_options
        self._functions: TruthFunctions | None = None
        self._components: list[InferenceComponent] = []
        self._parts: list[_Later] = []
        self._part_of: dict[str, _Later] = {}

    def add(self, component: InferenceComponent) -> None:
        """Check a component too, after it and its scaling have been deployed."""
        # With the first component and not before: until then, a mistake in the settings must leave no files of functions behind.
        functions = self._functions = self._functions or TruthFunctions.of(
            self._endpoint, log_options=self._log_options
        )
        if not self._components:
            functions.allow(self._endpoint)
        if len(self._components) % _PER_RESOURCE == 0:
            self._add_part(functions.service_token)
        self._components.append(component)
        if not component.component_name.startswith(f"{self._endpoint.endpoint_name}-"):
            functions.allow_component(component.component_arn)
        self._part_of[component.component_name] = self._parts[-1]
        self.wait_for(component, component.resource, *component.scaling_resources)

    def wait_for(self, component: InferenceComponent, *resources: cdk.CfnResource) -> None:
        """Look at a component only after these have been deployed too, such as its adapters."""
        self._part_of[component.component_name].roots += resources

    def _add_part(self, service_token: str) -> None:
        endpoint, part = self._endpoint, len(self._parts)
        first = part * _PER_RESOURCE
        asked = {
            "endpoint": endpoint.endpoint_name,
            "config": endpoint.config.attr_endpoint_config_name,
            "part": part,
            "timeout_seconds": self._check.timeout_minutes * 60,
            "image": endpoint.image_uri,
            "smoke": self._check.smoke.render(),
            "components": cdk.Lazy.any(
                _Components(
                    lambda: [self._rendered(component) for component in self._components[first : first + _PER_RESOURCE]]
                )
            ),
        }
        resource = cdk.CfnResource(
            endpoint,
            f"{TRUTH_ID}{part}",
            type="Custom::CdkSglangTruth",
            properties={
                "ServiceToken": service_token,
                "ServiceTimeout": 3600,
                "Asked": cdk.Stack.of(endpoint).to_json_string(asked),
            },
        )
        after, later = DependencyGroup(), _Later()
        later.roots.append(endpoint.resource)
        Dependable.implement(after, later)
        resource.node.add_dependency(after)
        self._parts.append(later)

    @staticmethod
    def _rendered(component: InferenceComponent) -> dict[str, Any]:
        fewest, most = component.copy_bounds
        own = {} if component.smoke is None else {"smoke": component.smoke.render()}
        return {
            "name": component.component_name,
            "model": component.model_name,
            "environment": {name: _short(value) for name, value in sorted(component.environment.items())},
            "instance_types": list(component.specified_types),
            "copies": [fewest, most],
            "scaling": [] if component.scaling is None else [list(bounds) for bounds in component.scaling.all_bounds],
            "startup_seconds": component.startup_seconds,
            "fingerprint": component.fingerprint,  # read by nobody: what changes it makes CloudFormation ask again
            **own,
        }


def _short(value: str) -> str:
    """Return a value, or the digest of a long one."""
    if len(value) <= _LONG or is_token(value):
        return value
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
