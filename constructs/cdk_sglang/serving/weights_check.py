"""A deployment that would serve half a model fails before it starts an instance: config, tokenizer and shards are looked at first."""

from __future__ import annotations

import hashlib
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct, IDependable

from cdk_sglang.serving import permissions
from cdk_sglang.serving.acknowledge import acknowledge_wildcards
from cdk_sglang.serving.runtime_functions import LogOptions, make_function, make_provider

_ID: Final = "CdkSglangWeightsCheck"
_TIMEOUT: Final = cdk.Duration.minutes(5)
_FILES: Final = "the files of one model, of which it reads the first bytes"


class WeightsCheck(Construct):
    """The function that checks models in S3: one in a stack.

    It reads `config.json`, the index and the headers of the shards, some megabytes in all, whenever a component gets another prefix.
    """

    def __init__(self, scope: Construct, construct_id: str, *, log_options: LogOptions) -> None:
        super().__init__(scope, construct_id)
        self._function = make_function(
            self,
            "Function",
            source="weights",
            entry="on_event",
            description="Checks that a model in S3 is whole before it is served",
            timeout=_TIMEOUT,
            log_options=log_options,
            statements=[],
        )
        self._provider = make_provider(self, "Provider", on_event=self._function, log_options=log_options)

    @staticmethod
    def of(scope: Construct, *, log_options: LogOptions) -> WeightsCheck:
        """Return that of the scope's stack."""
        stack = cdk.Stack.of(scope)
        found = stack.node.try_find_child(_ID)
        if found is None:
            found = WeightsCheck(stack, _ID, log_options=log_options)
        assert isinstance(found, WeightsCheck)
        return found

    def check(
        self,
        *,
        name: str,
        bucket_name: str,
        bucket_arn: str,
        prefix: str,
        key_arn: str | None,
        expected_bytes: float | None,
    ) -> IDependable:
        """Have a prefix checked; what depends on the answer comes after it. The same prefix is checked once.

        Args:
            name: For messages.
            bucket_name: The bucket.
            bucket_arn: Its ARN.
            prefix: Ending in a slash.
            key_arn: KMS key of the bucket.
            expected_bytes: Size of the weights the plan was made with.
        """
        stack = cdk.Stack.of(self)
        place = str(stack.resolve(bucket_name))
        resource_id = f"Model{hashlib.sha256(f'{place}/{prefix}'.encode()).hexdigest()[:8].upper()}"
        existing = self.node.try_find_child(resource_id)
        if existing is not None:
            return existing
        role = self._function.role
        assert role is not None
        files = f"{bucket_arn}/{prefix}*"
        self._function.add_to_role_policy(
            iam.PolicyStatement(actions=list(permissions.READ_WEIGHTS), resources=[files])
        )
        self._function.add_to_role_policy(
            iam.PolicyStatement(
                actions=list(permissions.LIST_WEIGHTS),
                resources=[bucket_arn],
                conditions={"StringLike": {"s3:prefix": [f"{prefix}*"]}},
            )
        )
        if key_arn is not None:
            self._function.add_to_role_policy(
                iam.PolicyStatement(actions=list(permissions.DECRYPT), resources=[key_arn])
            )
        acknowledge_wildcards(self, role, [files], _FILES)
        resource = cdk.CustomResource(
            self,
            resource_id,
            resource_type="Custom::CdkSglangWeights",
            service_token=self._provider.service_token,
            properties={
                "Asked": stack.to_json_string(
                    {
                        "name": name,
                        "bucket": bucket_name,
                        "prefix": prefix,
                        "expected_bytes": None if expected_bytes is None else int(expected_bytes),
                    }
                )
            },
        )
        resource.node.add_dependency(role)  # its policy must be in place before it is asked
        return resource
