"""Check of models in S3 before they are served: a deployment of half a model fails before it starts an instance."""

from __future__ import annotations

import json
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from cdk_sglang.serving.shared.lazies import lazy_list
from cdk_sglang.serving.shared.runtime_functions import LogOptions, make_function, make_provider
from cdk_sglang.serving.shared.singletons import singleton
from cdk_sglang.serving.weights.access import KnownBucket, WeightsAccess

_ID: Final = "CdkSglangWeightsCheck"
_TIMEOUT: Final = cdk.Duration.minutes(10)


class WeightsCheck(Construct):
    """The function that checks models in S3, and the custom resource that calls it: one of each in a stack, for all its models.

    The function reads `config.json`, the index and the headers of the shards, some megabytes in all, whenever a model is added or its
    prefix changes. Models are collected in Python and become a list at synth: with a hundred of them, calls into jsii take most of the
    time of a synth.
    """

    def __init__(self, scope: Construct, construct_id: str, *, log_options: LogOptions) -> None:
        super().__init__(scope, construct_id)
        self._models: dict[tuple[str, str], str] = {}
        function = make_function(
            self,
            "Function",
            source="weights",
            entry="on_event",
            description="Checks that models in S3 are whole before they are served",
            timeout=_TIMEOUT,
            log_options=log_options,
            statements=[],
        )
        role = function.role
        assert isinstance(role, iam.Role)
        self._access = WeightsAccess(self, role)
        provider = make_provider(self, "Provider", on_event=function, log_options=log_options)
        self._resource = cdk.CustomResource(
            self,
            "Checked",
            resource_type="Custom::CdkSglangWeights",
            service_token=provider.service_token,
            properties={"Models": lazy_list(lambda: list(self._models.values()))},
        )
        self._resource.node.add_dependency(role)  # its policy must be in place before it is asked

    @staticmethod
    def of(scope: Construct, *, log_options: LogOptions) -> WeightsCheck:
        """Return the check of the scope's stack, creating it on first use."""
        return singleton(
            scope,
            _ID,
            WeightsCheck,
            lambda stack, construct_id: WeightsCheck(stack, construct_id, log_options=log_options),
        )

    def check(self, bucket: KnownBucket, prefix: str, *, expected_bytes: float | None) -> IConstruct:
        """Have a prefix checked, and return the construct after which it is known to be whole. The same prefix is checked once.

        Args:
            bucket: The bucket.
            prefix: Prefix of the model's files, ending in a slash.
            expected_bytes: Size of the weights that the plan counts with; None if unknown, which skips that check.
        """
        if (bucket.name, prefix) not in self._models:
            size = {} if expected_bytes is None else {"expected_bytes": int(expected_bytes)}
            self._models[bucket.name, prefix] = json.dumps({"bucket": bucket.name, "prefix": prefix, **size})
            self._access.read(bucket.arn, prefix, bucket.key)
        return self._resource
