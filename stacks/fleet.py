"""An environment as an app: one foundation, and one stack for each endpoint."""

from __future__ import annotations

import re

import aws_cdk as cdk

from cdk_sglang.checks import raise_if_any
from cdk_sglang.errors import ConfigurationError
from cdk_sglang.planning import plan_fleet
from cdk_sglang.planning.own import NOTHING_OWN, Own
from cdk_sglang.serving.names import name_problems
from stacks.foundation import FoundationStack
from stacks.kinds import NAME_MAX_LENGTH, NAME_PATTERN, NAME_WORDS
from stacks.naming import endpoint_name, stack_name
from stacks.planning import request_of
from stacks.serving import ServingStack
from stacks.settings import Environment


def add_fleet(
    app: cdk.Stage, *, name: str, settings: Environment, source: str, env: cdk.Environment, own: Own = NOTHING_OWN
) -> list[ServingStack]:
    """Add every stack of one environment to the app.

    Args:
        app: The CDK app, or a stage of one.
        name: Name of the environment.
        settings: What it asks for.
        source: The file it came from; begins every problem's line.
        env: Account and Region, where known.
        own: Models and prices of the user's own.

    Raises:
        ConfigurationError: Everything that is wrong in any endpoint, before anything is written.
    """
    raise_if_any(f"{source}: {problem}" for problem in _environment_name_problems(name))
    problems = _name_problems(name, settings)
    try:
        problems += plan_fleet(request_of(settings, name=name, own=own, region=env.region)).problems
    except ConfigurationError as error:
        problems += error.problems
    foundation, serving = None, []
    try:
        foundation = FoundationStack(
            app, "Foundation", environment=name, settings=settings, stack_name=stack_name(name, "foundation"), env=env
        )
    except ConfigurationError as error:
        problems += error.problems
    for endpoint in settings.endpoints:
        try:
            stack = ServingStack(
                app,
                f"Serving-{endpoint}",
                environment=name,
                name=endpoint,
                settings=settings,
                own=own,
                stack_name=stack_name(name, endpoint),
                env=env,
            )
        except ConfigurationError as error:
            problems += error.problems
            continue
        if foundation is not None:
            stack.add_stack_dependency(foundation)
        serving.append(stack)
    raise_if_any(f"{source}: {problem}" for problem in dict.fromkeys(problems))  # constructs check their names too
    for key, value in {"cdk-sglang:environment": name, **settings.tags}.items():
        cdk.Tags.of(app).add(key, value)
    return serving


def _environment_name_problems(name: str) -> list[str]:
    if len(name) > NAME_MAX_LENGTH or not re.fullmatch(NAME_PATTERN, name):
        return [
            f"the file's name names the environment: {name!r} is not allowed; use up to {NAME_MAX_LENGTH} {NAME_WORDS}"
        ]
    return []


def _name_problems(name: str, settings: Environment) -> list[str]:
    problems = []
    owner: dict[str, str] = {}  # component names are one per account and Region, so two endpoints can collide
    for endpoint, asked in settings.endpoints.items():
        path = f"endpoints.{endpoint}"
        if endpoint == "foundation":
            problems.append(f"{path}: 'foundation' names the stack of what all endpoints share; choose another name")
        problems += name_problems(path, endpoint_name(name, endpoint), "endpoint")
        for component in asked.components:
            here = f"{path}.components.{component}"
            full = f"{endpoint_name(name, endpoint)}-{component}"
            problems += name_problems(here, full, "component")
            if full in owner:
                problems.append(f"{here}: component name {full!r} is that of {owner[full]} too; rename one")
            owner.setdefault(full, here)
    return problems
