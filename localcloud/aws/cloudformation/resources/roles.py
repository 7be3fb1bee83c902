"""CloudFormation's roles, whose policies a stack update also changes."""

from __future__ import annotations

import json
from typing import Any

from moto.iam.models import Role, iam_backends
from moto.utilities.utils import get_partition


def _update(
    cls: type[Role],
    /,
    original_resource: Role,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
    **_: Any,
) -> Role:
    """Give a role the template's trust and inline policies, which moto would leave as they were.

    Policies of other resources, such as AWS::IAM::Policy, are kept.
    """
    del cls
    properties: dict[str, Any] = cloudformation_json["Properties"]
    backend = iam_backends[account_id][get_partition(region_name)]
    role = original_resource
    backend.update_role(role.name, properties.get("Description", ""), properties.get("MaxSessionDuration", 3600))
    role.assume_role_policy_document = json.dumps(properties["AssumeRolePolicyDocument"])
    policies = {one["PolicyName"]: one["PolicyDocument"] for one in properties.get("Policies", ())}
    before = (one["PolicyName"] for one in getattr(role, "cf_properties", {}).get("Policies", ()))
    for name in {*before} - {*policies}:
        role.delete_policy(name)
    for name, document in policies.items():
        role.put_policy(name, document)
    return role


def install() -> None:
    """Replace moto's update by the one above."""
    Role.update_from_cloudformation_json = classmethod(_update)
