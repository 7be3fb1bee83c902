"""CloudFormation's bucket policies, and how S3 judges a request by them."""

from __future__ import annotations

import json
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket, s3_backends

from localcloud.aws.cloudformation.resources.base import Resource


class BucketPolicy(Resource):
    """AWS::S3::BucketPolicy."""

    TYPE = "AWS::S3::BucketPolicy"

    def _create(self) -> None:
        s3_backends[self.account]["aws"].put_bucket_policy(
            self.properties["Bucket"], json.dumps(self.properties["PolicyDocument"]).encode()
        )
        self.physical_resource_id = self.properties["Bucket"]

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._create()

    def _remove(self) -> None:
        s3_backends[self.account]["aws"].delete_bucket_policy(self.properties["Bucket"])


def _permission(self: FakeBucket, action: str, resource: str) -> Any:
    """Judge a request by the statements without conditions: moto would take ``Deny ... if not TLS`` for ``Deny``."""
    if self.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(self.policy)
    statements = [statement for statement in policy["Statement"] if not statement.get("Condition")]
    if not statements:
        return PermissionResult.NEUTRAL
    return IAMPolicy(json.dumps(policy | {"Statement": statements})).is_action_permitted(action, resource)


def install() -> None:
    """Put the judgement above in place of moto's."""
    FakeBucket.get_permission = _permission
