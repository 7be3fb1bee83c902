"""CloudFormation's bucket policies, how S3 evaluates requests by them, versions of objects, and buckets that are not empty."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.exceptions import BucketNotEmpty
from moto.s3.models import FakeBucket, s3_backends
from moto.utilities.utils import get_partition

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
    """Evaluate a request by the statements without conditions: moto would treat ``Deny ... if not TLS`` as ``Deny``."""
    if self.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(self.policy)
    statements = [statement for statement in policy["Statement"] if not statement.get("Condition")]
    if not statements:
        return PermissionResult.NEUTRAL
    return IAMPolicy(json.dumps(policy | {"Statement": statements})).is_action_permitted(action, resource)


_moto_create = FakeBucket.create_from_cloudformation_json
_moto_update = FakeBucket.update_from_cloudformation_json


def _delete(
    cls: type[FakeBucket], resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
) -> None:
    """Delete a bucket with its stack, which S3 refuses while it has objects, versions or delete markers; moto would keep it without an error."""
    del cls, cloudformation_json
    backend = s3_backends[account_id][get_partition(region_name)]
    if resource_name in backend.buckets and backend.delete_bucket(resource_name) is None:
        raise BucketNotEmpty(bucket_name=resource_name)


def _with_versions(create: Callable[..., FakeBucket]) -> Callable[..., FakeBucket]:
    """Keep the versions of objects where the template says so, which moto's CloudFormation ignores."""

    @functools.wraps(create)
    def create_bucket(*arguments: Any, **options: Any) -> FakeBucket:
        body = options.get("cloudformation_json") or arguments[1]
        bucket = create(*arguments, **options)
        status = (body.get("Properties") or {}).get("VersioningConfiguration", {}).get("Status")
        bucket.versioning_status = status or ("Suspended" if bucket.versioning_status else None)
        return bucket

    return create_bucket


def install() -> None:
    """Replace moto's evaluation and deletion by those above, and add versions to its buckets."""
    FakeBucket.create_from_cloudformation_json = _with_versions(_moto_create)
    FakeBucket.update_from_cloudformation_json = _with_versions(_moto_update)
    FakeBucket.get_permission = _permission
    FakeBucket.delete_from_cloudformation_json = classmethod(_delete)
