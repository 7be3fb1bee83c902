"""Check of models in S3 before they are served: a deployment of an incomplete model fails before it starts an instance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from cdk_sglang.serving.shared.custom_resources import make_answering_function
from cdk_sglang.serving.shared.dependencies import lazy_dependency, stand_for
from cdk_sglang.serving.shared.helper_functions import shared_log_options
from cdk_sglang.serving.shared.lazies import lazy_list
from cdk_sglang.serving.shared.names import logical_digest
from cdk_sglang.serving.shared.singletons import singleton
from cdk_sglang.serving.weights.access import KnownBucket, WeightsAccess
from cdk_sglang.serving.weights.prepared import PreparedModel

_ID: Final = "CdkSglangWeightsCheck"
_TIMEOUT: Final = cdk.Duration.minutes(10)
_SERVICE_TIMEOUT: Final = cdk.Duration.minutes(15)
"""Time-out of the custom resource: without it, CloudFormation waits an hour if the function cannot answer at all."""


class WeightsCheck(Construct):
    """The function that checks models in S3, and the custom resource that calls it: one of each in a stack, for all its models.

    The function reads `config.json`, the index and the headers of the shards, a few megabytes in total, whenever a model is added or its
    prefix changes. Models are collected in Python and written as one list at synth: with a hundred models, calls into jsii would take most
    of the time of a synth.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        log_options = shared_log_options(self)
        self._models: dict[tuple[str, str], str] = {}
        self._users: dict[tuple[str, str], int] = {}
        function = make_answering_function(
            self,
            "Function",
            source="weights",
            description="Checks that models in S3 are whole before they are served",
            timeout=_TIMEOUT,
            log_options=log_options,
            statements=[],
        )
        role = function.role
        assert isinstance(role, iam.Role)
        self._access = WeightsAccess(self, role)
        self._service_token = function.function_arn
        self._role = role
        self._resource: cdk.CustomResource | None = self._make_resource(
            "Checked", lazy_list(lambda: [model for place, model in self._models.items() if self._users[place]])
        )
        resource = self._resource
        stand_for(resource, lambda: [] if self._resource is None else [resource])

    def _make_resource(self, construct_id: str, models: list[str]) -> cdk.CustomResource:
        resource = cdk.CustomResource(
            self,
            construct_id,
            resource_type="Custom::CdkSglangWeights",
            service_token=self._service_token,
            service_timeout=_SERVICE_TIMEOUT,
            properties={"Models": models},
        )
        resource.node.add_dependency(self._role)  # its policy must be in place before the function runs
        return resource

    @staticmethod
    def of(scope: Construct) -> WeightsCheck:
        """Return the check of the scope's stack, creating it on first use."""
        return singleton(scope, _ID, WeightsCheck, WeightsCheck)

    def check(self, bucket: KnownBucket, prefix: str, *, expected_bytes: float | None) -> PreparedModel:
        """Check a prefix for a component. The same prefix is checked once.

        Args:
            bucket: The bucket.
            prefix: Prefix of the model's files, ending in a slash.
            expected_bytes: Size of the weights that the plan assumes; None if unknown, which skips that check.
        """
        place = bucket.name, prefix
        if place not in self._models:
            size = {} if expected_bytes is None else {"expected_bytes": int(expected_bytes)}
            self._models[place] = json.dumps({"bucket": bucket.name, "prefix": prefix, **size})
            self._access.read(bucket.arn, prefix, bucket.key_arn)
        self._users[place] = self._users.get(place, 0) + 1
        assert self._resource is not None
        return PreparedModel(ready=self._resource, hold=lambda waiting: self._separate(place, waiting))

    def _separate(self, place: tuple[str, str], waiting: Sequence[IConstruct]) -> IConstruct:
        """Check a prefix with a separate resource, for a component that has dependencies.

        Those dependencies may depend on other models of the stack, whose check must not wait for them in turn.
        """
        own = self._make_resource(f"Checked{logical_digest(waiting[0].node.path)}", [self._models[place]])
        own.node.add_dependency(lazy_dependency(lambda: [root for one in waiting for root in one.node.dependencies]))
        self._users[place] -= 1
        if self._resource is not None and not any(self._users.values()):  # no user is left
            self.node.try_remove_child(self._resource.node.id)
            self._resource = None
        return own
