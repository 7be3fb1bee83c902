"""The other direction of `calls`: what a function's role may do although none of its functions' code ever does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tools.check.graph import Environment, Graph
from tools.check.relations.calls import called
from tools.check.relations.grants import at, covers, grants
from tools.check.relations.order import role_of
from tools.check.relations.permissions import IMPLIES, NEEDS, TRUSTS

_FUNCTION: Final = "AWS::Lambda::Function"

BEHIND: Final[Mapping[str, tuple[str, ...]]] = {
    "s3:DeleteObjectVersion": ("s3:ListBucketVersions",),
    "s3:ListBucket": ("s3:GetObject",),
    "kms:Decrypt": ("s3:GetObject", "s3:PutObject", "sqs:SendMessage", "sns:Publish", "secretsmanager:GetSecretValue"),
    "kms:GenerateDataKey": ("s3:PutObject", "sqs:SendMessage", "sns:Publish"),
}
"""Actions that no call is named after, and the actions behind which AWS asks for them: what is deleted by its
version; whether a file is missing, which is
403 instead of 404 without ListBucket; encryption in the name of the caller.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html, API_CopyObject.html there,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html (read 2026-12)."""


SIGNED: Final[Mapping[str, str]] = {
    "cloudwatch:GetMetricData": "PromQL is asked with a signed request, for which boto3 has no method",
    "cloudwatch:ListMetrics": "PromQL is asked with a signed request, for which boto3 has no method",
}
"""Actions that code may need without a call that could be seen, and why."""


def findings(graph: Graph, environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield place and message of each action that a role of functions is allowed, and that nothing needs.

    Roles that something other than a function takes, and roles of functions whose code is not known, are passed over.
    """
    for role, takers, calls in roles_of_functions(graph, environment):
        needed = _needed(calls, list(takers.values()))
        for grant in grants(role, graph):
            for action in grant.actions:
                if not any(covers(action, one) for one in needed):
                    yield role, f"{action} is allowed, and the code of {', '.join(sorted(takers))} never needs it"


def roles_of_functions(
    graph: Graph, environment: Environment
) -> Iterator[tuple[str, Mapping[str, Mapping[str, Any]], frozenset[str]]]:
    """Yield each role that functions alone take and whose code is known, the functions' properties, and their calls."""
    functions = graph.of_type(_FUNCTION)
    for role in graph.of_type("AWS::IAM::Role"):
        takers = {name: one["Properties"] for name, one in functions.items() if role_of(one, ("Role",)) == role}
        code = [called(properties, environment.folder) for properties in takers.values()]
        if takers and None not in code and not _others(role, graph):
            yield role, takers, frozenset[str]().union(*(one for one in code if one is not None))


def _needed(calls: frozenset[str], functions: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the actions that functions need: their calls, what Lambda does in their name, and what AWS asks for behind those."""
    needed = {*calls, *SIGNED}
    for need in NEEDS:
        if need.type == _FUNCTION and any(any(True for _ in at(properties, need.when)) for properties in functions):
            needed |= set(need.actions)
    before: set[str] = set()
    while needed != before:
        before = set(needed)
        needed |= {one for action, others, _ in IMPLIES if action in before for one in others}
        needed |= {action for action, behind in BEHIND.items() if not before.isdisjoint(behind)}
    return frozenset(needed)


def _others(role: str, graph: Graph) -> bool:
    """Whether a resource that is no function takes the role."""
    return any(
        role_of(resource, tuple(path.split("."))) == role
        for resource_type, path, _ in TRUSTS
        if resource_type != _FUNCTION
        for resource in graph.of_type(resource_type).values()
    )
