"""Checks of an endpoint before any resource exists: names, image against GPU and AMI, Region, bounds."""

from __future__ import annotations

from collections.abc import Sized
from typing import Final

import aws_cdk as cdk
import jsii
from constructs import Construct, IValidation

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError, Problem
from cdk_sglang.hardware import region_problems
from cdk_sglang.planning.amis import pool_ami_problems
from cdk_sglang.serving.alarms.actions import action_problems
from cdk_sglang.serving.endpoint.options import EndpointOptions
from cdk_sglang.serving.shared.log_options import removal_problems, retention_problems
from cdk_sglang.serving.shared.taken_names import TakenNames
from cdk_sglang.serving.shared.tokens import is_token, token_problem
from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.image_facts import ImageFacts
from cdk_sglang.spec.physical_names import name_problems

METRIC_FREQUENCIES_SECONDS: Final = (10, 30, 60, 120, 180, 240, 300)
"""Allowed values of MetricsConfig.MetricPublishFrequencyInSeconds: botocore 1.44.5, sagemaker CreateEndpointConfig."""


def _ami_problems(capacity: Capacity, facts: ImageFacts, requested: str | None) -> list[str]:
    """Return which types of the pool cannot run the image: with the requested AMI, else with the one that all types would share."""
    if requested is not None and is_token(requested):
        return [token_problem("inference_ami", "the AMI itself, or leave it out")]
    return pool_ami_problems(capacity, facts, requested)


def stack_of(path: str, scope: Construct) -> cdk.Stack:
    """Return the stack that a scope is in.

    Raises:
        ConfigurationError: The scope is not in a stack, for example because it is an app.
    """
    if not any(cdk.Stack.is_stack(above) for above in scope.node.scopes):
        problem = Problem(
            path,
            f"an endpoint belongs in a stack, and its scope, {type(scope).__name__}, is in none; give it a cdk.Stack",
        )
        raise ConfigurationError([problem])
    return cdk.Stack.of(scope)


@jsii.implements(IValidation)
class WarnsWhenEmpty:
    """Warns at synth if an endpoint has no components: it serves nothing, but its instances cost money.

    Args:
        endpoint: The endpoint.
        components: Its components, to which more are added later.
    """

    def __init__(self, endpoint: Construct, components: Sized) -> None:
        self._endpoint, self._components = endpoint, components

    def validate(self) -> list[str]:
        """Return no error: components may be added with a later deployment."""
        if not self._components:
            cdk.Annotations.of(self._endpoint).add_warning_v2(
                "cdk-sglang:no-components",
                "the endpoint has no components: it serves nothing, and its instances cost money; add one with add_component",
            )
        return []


def check_endpoint(
    path: str, options: EndpointOptions, *, name: str, names: TakenNames, account: str, scope: Construct
) -> None:
    """Collect everything wrong with an endpoint before any of it exists.

    Args:
        path: Path of the endpoint.
        options: What the author chose.
        name: Name of the endpoint.
        names: Names that the account and Region have already.
        account: AWS account; may be a token.
        scope: Parent of the endpoint.

    Raises:
        ConfigurationError: Any option is wrong; lists every problem.
    """
    hosting, image = options.hosting, options.image
    capacity, region, rollout = hosting.capacity, hosting.region, hosting.rollout
    metric_frequency_seconds = options.metric_frequency_seconds
    problems = name_problems(path, name, "endpoint") or names.problems(path, name, "endpoint")
    problems += [
        Problem(f"{path}.image", problem) for problem in _ami_problems(capacity, image.facts, options.inference_ami)
    ]
    if not is_token(region):
        problems += dict.fromkeys(  # a Region without SageMaker is one problem, however many types there are
            Problem(f"{path}.capacity", problem)
            for instance in capacity.instances
            for problem in region_problems(region, instance)
        )
        problems += [problem.under(f"{path}.image") for problem in image.region_problems(region)]
    of_place = capacity.place_problems(region=region, account=account)
    problems += [problem.under(f"{path}.capacity") for problem in of_place]
    of_routing = options.routing.problems(max_instances=capacity.max_instances)
    problems += [problem.under(f"{path}.routing") for problem in of_routing]
    problems += retention_problems(f"{path}.log_retention_days", options.log_options.retention_days)
    problems += action_problems(f"{path}.alarms", options.alarms, scope)
    problems += removal_problems(f"{path}.log_removal", options.log_options.removal)
    if metric_frequency_seconds not in METRIC_FREQUENCIES_SECONDS and not is_token(metric_frequency_seconds):
        problems.append(
            Problem(
                f"{path}.metric_frequency_seconds",
                f"{metric_frequency_seconds} is not allowed; "
                f"use one of {', '.join(map(str, METRIC_FREQUENCIES_SECONDS))}",
            )
        )
    if rollout is not None:
        problems += [
            problem.under(f"{path}.rollout") for problem in rollout.problems(min_instances=capacity.min_instances)
        ]
    raise_if_any(problems)
