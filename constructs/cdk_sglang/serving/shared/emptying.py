"""Buckets that are deleted with their stack: CloudFormation cannot delete a bucket with objects, so they are emptied first."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk_sglang.serving.shared import permissions
from cdk_sglang.serving.shared.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.shared.custom_resources import make_answering_function
from cdk_sglang.serving.shared.log_options import LogOptions
from cdk_sglang.serving.shared.own_policy import give
from cdk_sglang.serving.shared.singletons import singleton

TAG: Final = "cdk-sglang:empty-on-delete"
"""Same value as in _runtime/emptying/logic.py."""

_ID: Final = "CdkSglangEmptying"
_TIMEOUT: Final = cdk.Duration.minutes(15)
_SERVICE_TIMEOUT: Final = cdk.Duration.minutes(20)
_ALL: Final = "all objects of a bucket whose data are to go with the stack"


class BucketEmptying(Construct):
    """The function that empties buckets before CloudFormation deletes them: one per stack, for all its buckets.

    A bucket is emptied when its stack is deleted, and when the first deployment of the stack is rolled back. It is never emptied by an update,
    such as one that keeps the data from now on, and never without the tag that permits it.
    """

    def __init__(self, scope: Construct, construct_id: str, *, log_options: LogOptions) -> None:
        super().__init__(scope, construct_id)
        self._function = make_answering_function(
            self,
            "Function",
            source="emptying",
            description="Empties buckets whose stack is deleted",
            timeout=_TIMEOUT,
            log_options=log_options,
            statements=[
                iam.PolicyStatement(actions=list(permissions.READ_OWN_STACK), resources=[cdk.Stack.of(self).stack_id])
            ],
        )

    @staticmethod
    def of(scope: Construct, *, log_options: LogOptions) -> BucketEmptying:
        """Return the function of the scope's stack, creating it on first use."""
        return singleton(
            scope,
            _ID,
            BucketEmptying,
            lambda stack, construct_id: BucketEmptying(stack, construct_id, log_options=log_options),
        )

    def empty(self, bucket: s3.Bucket) -> None:
        """Empty a bucket before it is deleted.

        Args:
            bucket: A bucket of the stack, whose removal policy is DESTROY.
        """
        cdk.Tags.of(bucket).add(TAG, "true")
        objects = bucket.arn_for_objects("*")
        role = self._function.role
        assert isinstance(role, iam.Role)
        give(role, iam.PolicyStatement(actions=list(permissions.EMPTY_BUCKET), resources=[bucket.bucket_arn, objects]))
        acknowledge_wildcards(self, role, [objects], _ALL)
        resource = cdk.CustomResource(
            bucket,
            "Emptied",
            resource_type="Custom::CdkSglangEmptied",
            service_token=self._function.function_arn,
            service_timeout=_SERVICE_TIMEOUT,
            properties={"Bucket": bucket.bucket_name, "Arn": bucket.bucket_arn},
        )
        resource.node.add_dependency(role)  # which must still exist when the stack is deleted
        if bucket.policy is not None:  # the function closes the bucket with a statement in it
            resource.node.add_dependency(bucket.policy)
