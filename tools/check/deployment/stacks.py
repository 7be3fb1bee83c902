"""Create the stacks of an environment in the order of their dependencies, delete them in the opposite order, and say what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.aws.clock import Clock
from localcloud.aws.cloudformation.templates import dependencies
from localcloud.aws.compute import functions
from tools.check.assemblies import Assembly
from tools.check.deployment.world import World, world

_CAPABILITIES: Final = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_MOST_SECONDS: Final = 3 * 3600.0
"""Time of the driven clock after which an operation on a stack is given up; a handler waits two hours at most."""
_SETTLED_S: Final = 120.0
_SLOW_STEP_S: Final = 30.0
"""Most operations are over within two minutes; those that are not wait for a time-out, to which larger steps lead."""


@dataclass(frozen=True)
class Part:
    """A stack of an environment.

    Attributes:
        artifact: Name in the assembly.
        name: Name of the stack in CloudFormation.
        text: Template.
        needs: Artifacts that are deployed before.
    """

    artifact: str
    name: str
    text: str
    needs: frozenset[str] = field(default_factory=frozenset)


def findings(
    assembly: Assembly,
    *,
    changed: Mapping[str, str] | None = None,
    only: str = "",
    runner: Callable[[Clock], functions.Runner] | None = None,
    then: Callable[[World, Part], Iterator[str]] | None = None,
) -> list[str]:
    """Return what the embedded AWS refuses to create or cannot delete: place, problem and reason, one line each.

    A stack whose dependencies were refused is not deployed.

    Args:
        assembly: Cloud assembly of the environment.
        changed: Templates to deploy in place of those of the assembly, by artifact.
        only: Artifact that is deployed alone, after what it depends on. Default: all are.
        runner: Creates what runs functions. Default: they do not run, and custom resources succeed.
        then: Called when a stack has been created; yields further findings. Default: nothing is looked at.
    """
    parts = ordered(assembly, changed or {})
    if only:
        parts = _closure(parts, only)
    with world(assembly, runner=runner) as here:
        return [f"{assembly.environment}/{line}" for line in _tried(here, parts, then or (lambda *_: iter(())))]


def ordered(assembly: Assembly, changed: Mapping[str, str]) -> list[Part]:
    """Return an environment's stacks, dependencies first, and each as late as they allow.

    CDK writes what is needed before what needs it, and AWS creates side by side whatever it may: with the last of what nothing holds back
    first, a dependency that nothing declares is a refusal. The same holds for the resources of a template.

    Args:
        assembly: Cloud assembly of the environment.
        changed: Templates that replace those of the assembly, by artifact.
    """
    artifacts = {
        name: artifact
        for name, artifact in assembly.manifest["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    needs = {name: set(artifacts) & set(artifact.get("dependencies", [])) for name, artifact in artifacts.items()}
    return [
        Part(
            name,
            artifacts[name]["properties"].get("stackName", name),
            _in_a_row(
                changed.get(name)
                or (assembly.folder / artifacts[name]["properties"]["templateFile"]).read_text(encoding="utf-8")
            ),
            frozenset(needs[name]),
        )
        for name in _last_first(needs)
    ]


def _in_a_row(text: str) -> str:
    """Let each resource of a template wait for the one before it, in an order that its dependencies allow."""
    template = json.loads(text)
    resources = template["Resources"]
    order = _last_first(dependencies(template))
    for before, name in pairwise(order):
        explicit = resources[name].get("DependsOn", [])
        resources[name]["DependsOn"] = [*([explicit] if isinstance(explicit, str) else explicit), before]
    return json.dumps(template)


def _last_first(needs: Mapping[str, set[str]]) -> list[str]:
    """Return names, dependencies first, and of those that nothing holds back the last first; fewer if some wait for each other."""
    remaining, order = dict(needs), list[str]()
    while free := next((name for name in reversed(remaining) if not needs[name] & remaining.keys()), None):
        order.append(free)
        del remaining[free]
    return order


def _closure(parts: Sequence[Part], only: str) -> list[Part]:
    artifacts = {only}
    for part in reversed(parts):
        if part.artifact in artifacts:
            artifacts |= part.needs
    return [part for part in parts if part.artifact in artifacts]


def _tried(here: World, parts: Sequence[Part], then: Callable[[World, Part], Iterator[str]]) -> Iterator[str]:
    there: dict[str, str] = {}
    deployed: set[str] = set()
    for part in parts:
        if part.needs <= deployed:
            problems = list(_create(here, part, there))
            yield from (f"{part.artifact}: {problem}" for problem in problems)
            if not problems:
                deployed.add(part.artifact)
                yield from (f"{part.artifact}: {problem}" for problem in then(here, part))
    for part in reversed(parts):
        if part.artifact in there:
            yield from (f"{part.artifact}: {problem}" for problem in _delete(here, there[part.artifact]))


def _create(here: World, part: Part, there: dict[str, str]) -> Iterator[str]:
    """Create a stack; its id is added to `there` unless CloudFormation refuses the template."""
    try:
        created = here.client("cloudformation").create_stack(
            StackName=part.name, TemplateBody=part.text, Capabilities=_CAPABILITIES
        )
    except (BotoCoreError, ClientError) as error:
        yield f"CloudFormation refuses the template: {_said(error)}"
        return
    except Exception as error:  # noqa: BLE001 -- what moto makes of a template that is far from its schema
        yield f"CloudFormation cannot read the template: {type(error).__name__}: {error}"
        return
    there[part.artifact] = stack = created["StackId"]
    status = _settled(here, stack)
    if status != "CREATE_COMPLETE":
        yield from _failures(here, stack, status, refused="CREATE_FAILED", undone="not created")


def _delete(here: World, stack: str) -> Iterator[str]:
    here.client("cloudformation").delete_stack(StackName=stack)
    status = _settled(here, stack)
    if status != "DELETE_COMPLETE":
        yield from _failures(here, stack, status, refused="DELETE_FAILED", undone="not deleted")


def _settled(here: World, stack: str) -> str:
    """Let time pass until an operation on a stack is over, and return its status."""
    passed = 0.0
    while (status := _described(here, stack)["StackStatus"]).endswith("_IN_PROGRESS") and passed < _MOST_SECONDS:
        step = 1.0 if passed < _SETTLED_S else _SLOW_STEP_S
        here.clock.advance(step, step_s=step)
        passed += step
    return str(status)


def _described(here: World, stack: str) -> dict[str, Any]:
    described: dict[str, Any] = here.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    return described


def _failures(here: World, stack: str, status: str, *, refused: str, undone: str) -> Iterator[str]:
    """Return why each resource failed, in the order of the events; why the stack failed if no resource did."""
    pages = here.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
    events = list(reversed([event for page in pages for event in page["StackEvents"]]))
    failed: dict[str, str] = {}
    for event in events:  # the first failure of each: a later one may follow from it
        name, kind = event["LogicalResourceId"], event["ResourceType"]
        if event["ResourceStatus"] == refused and kind != "AWS::CloudFormation::Stack":
            failed.setdefault(name, f"{name} ({kind}) is {undone}: {_line(event)}")
    yield from failed.values()
    if not failed or status.endswith(("_IN_PROGRESS", "ROLLBACK_FAILED")):
        reason = _described(here, stack).get("StackStatusReason") or "no reason given"
        yield f"the stack is in {status}: {_one_line(reason)}"


def _line(event: Mapping[str, Any]) -> str:
    return _one_line(event.get("ResourceStatusReason") or "no reason given")


def _said(error: BotoCoreError | ClientError) -> str:
    return _one_line(error.response["Error"]["Message"] if isinstance(error, ClientError) else str(error))


def _one_line(text: str) -> str:
    return " ".join(text.split())
