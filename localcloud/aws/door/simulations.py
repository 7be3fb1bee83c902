"""IAM's simulation of policies: what a user's or a role's own policies allow, action by action.

Nothing else is evaluated: no boundaries, resource policies, groups of the organization or values of conditions. A statement with a condition
is left out, and its keys are reported as missing, as AWS does without context. The embedded AWS's own credentials may do everything. An injected
fault `access-denied` is a refusal here too.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.exceptions import NotFoundException
from moto.iam.models import Policy, Role
from moto.iam.responses import IamResponse

from localcloud.aws import faults

_STRICTEST_FIRST = ("explicitDeny", "implicitDeny", "allowed")
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_OWN = ":user/moto"
"""End of the ARN that moto gives to credentials without a user."""
_MANAGED = "localcloud_managed_policy_arns"
"""Attribute of a role; not moto's own list, with which moto would refuse to delete the role."""


def _simulate(self: IamResponse) -> ActionResult:
    policies = documents(self.backend, str(self._get_param("PolicySourceArn")))
    resources = self._get_param("ResourceArns") or []
    results = [_of_all(policies, action, resources) for action in self._get_param("ActionNames")]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def _of_all(documents: list[dict[str, Any]], action: str, resources: list[str]) -> dict[str, Any]:
    """Return one result for all resources: the most restrictive decision, and that of each where resources are named.

    https://docs.aws.amazon.com/sdk-for-python/v4/reference/clients/iam/structures/EvaluationResult/ (read 2026-11).
    """
    each = {resource: _decided(documents, action, resource) for resource in resources or ["*"]}
    named = resources not in ([], ["*"])
    result: dict[str, Any] = {
        "EvalActionName": action,
        "EvalResourceName": next(iter(each)),
        "EvalDecision": min((decision for decision, _ in each.values()), key=_STRICTEST_FIRST.index),
        "MatchedStatements": [],
        "MissingContextValues": [] if named else sorted(each["*"][1]),
    }
    if named:
        result["ResourceSpecificResults"] = [
            {
                "EvalResourceName": resource,
                "EvalResourceDecision": decision,
                "MatchedStatements": [],
                "MissingContextValues": sorted(missing),
            }
            for resource, (decision, missing) in each.items()
        ]
    return result


def _decided(documents: list[dict[str, Any]], action: str, resource: str) -> tuple[str, set[str]]:
    """Return the decision on one resource, and the keys of conditions that might change it."""
    missing: set[str] = set()
    results = set()
    for document in documents:
        statements = document["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            result = IAMPolicy(json.dumps({"Statement": [_unconditional(statement)]})).is_action_permitted(
                action, resource
            )
            keys = {key for operator in statement.get("Condition", {}).values() for key in operator}
            if not keys:
                results.add(result)
            elif result is not PermissionResult.NEUTRAL:
                missing |= keys
    if PermissionResult.DENIED in results or faults.stands("access-denied", action):
        return "explicitDeny", missing
    if PermissionResult.PERMITTED in results:
        return "allowed", missing
    return "implicitDeny", missing


def _unconditional(statement: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in statement.items() if key != "Condition"}


def documents(backend: Any, arn: str) -> list[dict[str, Any]]:
    """Return the policies of a principal, inline and attached; of a user, those of the groups too.

    Raises:
        NotFoundException: There is no such user or role.
    """
    if arn.endswith(_OWN):
        return [_EVERYTHING]
    kind, _, path = arn.rpartition(":")[2].partition("/")
    name = path.rpartition("/")[2]
    if kind == "role":
        holders = [backend.get_role(name)]
    elif kind == "user":
        holders = [backend.get_user(name), *backend.get_groups_for_user(name)]
    else:
        raise NotFoundException(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    inline = [policy for holder in holders for policy in holder.policies.values()]
    attached = [policy for holder in holders for policy in holder.managed_policies.values()]
    named = [_managed(backend, arn) for holder in holders for arn in getattr(holder, _MANAGED, ())]
    return [json.loads(_text(policy)) for policy in [*inline, *attached, *(one for one in named if one is not None)]]


def _managed(backend: Any, arn: str) -> Any:
    """Return a policy by its ARN: the account's, or one of AWS's; None if there is none."""
    own = backend.managed_policies.get(arn)
    if own is not None or ":iam::aws:policy/" not in arn:
        return own
    found = _policies_of_aws().get(arn.rpartition("/")[2])
    return None if found is None else json.dumps(found["Document"])


@functools.cache
def _policies_of_aws() -> dict[str, Any]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    policies: dict[str, Any] = json.loads(aws_managed_policies_data)
    return policies


def _keeping_managed(create: Callable[..., Role]) -> Callable[..., Role]:
    """Keep the ARNs of a role's managed policies, which moto's CloudFormation passes over."""

    @functools.wraps(create)
    def create_role(name: str, resource: dict[str, Any], *arguments: Any, **options: Any) -> Role:
        role = create(name, resource, *arguments, **options)
        setattr(role, _MANAGED, tuple(resource["Properties"].get("ManagedPolicyArns", ())))
        return role

    return create_role


def _text(policy: Any) -> str:
    if isinstance(policy, str):
        return policy
    if isinstance(policy, Policy):
        return next(str(version.document) for version in policy.versions if version.is_default)
    if isinstance(policy, dict) and "Statement" in policy:  # of a role of a template, the document itself
        return json.dumps(policy)
    return str(policy["policy_document"] if isinstance(policy, dict) else policy.document)


def install() -> None:
    """Add the operation to moto, which lacks it, and what it needs of roles."""
    IamResponse.simulate_principal_policy = _simulate
    Role.create_from_cloudformation_json = _keeping_managed(Role.create_from_cloudformation_json)
