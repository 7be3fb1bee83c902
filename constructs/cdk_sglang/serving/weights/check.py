"""A deployment that would serve half a model fails before it starts an instance: config, tokenizer and shards are looked at first."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from cdk_sglang.serving.shared.runtime_functions import LogOptions, make_function, make_provider
from cdk_sglang.serving.weights.access import KnownBucket, WeightsAccess

_ID: Final = "CdkSglangWeightsCheck"
_TIMEOUT: Final = cdk.Duration.minutes(10)


@jsii.implements(cdk.IStableListProducer)
class _List:
    """A list that is complete when the app is synthesised."""

    def __init__(self, produce: Callable[[], list[str]]) -> None:
        self._produce = produce

    def produce(self) -> list[str]:
        return self._produce()


class WeightsCheck(Construct):
    """The function that checks models in S3, and the resource that asks it: one in a stack, for all its models.

    It reads `config.json`, the index and the headers of the shards, some megabytes in all, whenever a model is added or its prefix
    changes. Models are collected in Python and handed over as lists at synth: for a hundred of them, calls into jsii are what
    a synth takes its time for.
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
            properties={"Models": cdk.Lazy.list(_List(lambda: list(self._models.values())))},
        )
        self._resource.node.add_dependency(role)  # its policy must be in place before it is asked

    @staticmethod
    def of(scope: Construct, *, log_options: LogOptions) -> WeightsCheck:
        """Return that of the scope's stack."""
        stack = cdk.Stack.of(scope)
        found = stack.node.try_find_child(_ID)
        if found is None:
            found = WeightsCheck(stack, _ID, log_options=log_options)
        assert isinstance(found, WeightsCheck)
        return found

    def check(self, bucket: KnownBucket, prefix: str, *, expected_bytes: float | None) -> IConstruct:
        """Have a prefix checked; what depends on the answer comes after it. The same prefix is checked once.

        Args:
            bucket: The bucket.
            prefix: Ending in a slash.
            expected_bytes: Size of the weights the plan was made with.
        """
        if (bucket.name, prefix) not in self._models:
            size = {} if expected_bytes is None else {"expected_bytes": int(expected_bytes)}
            self._models[bucket.name, prefix] = json.dumps({"bucket": bucket.name, "prefix": prefix, **size})
            self._access.read(bucket.arn, prefix, bucket.key)
        return self._resource
