"""CloudFormation types beside SageMaker that need behaviour: scaling, log groups, bucket policies, workloads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.responses import ActionResult
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.logs.models import logs_backends
from moto.s3.models import FakeBucket, s3_backends

from localcloud.resources import Resource, suffix


class ScalableTarget(Resource):
    """AWS::ApplicationAutoScaling::ScalableTarget; the component must exist."""

    TYPE = "AWS::ApplicationAutoScaling::ScalableTarget"

    def _create(self) -> None:
        kind, name = self.properties["ResourceId"].split("/", 1)
        if kind == "inference-component":
            self.call("DescribeInferenceComponent", InferenceComponentName=name)
        self._update({})
        self.physical_resource_id = "|".join(self._key()[i] for i in (1, 2, 0))
        self.attributes = {"Id": self.physical_resource_id}

    def _update(self, old: dict[str, Any]) -> None:
        given = self.properties
        low, high = int(given["MinCapacity"]), int(given["MaxCapacity"])
        role = given.get("RoleARN", "")
        self._backend().register_scalable_target(*self._key(), low, high, role, given.get("SuspendedState"))
        kept = {action["ScheduledActionName"] for action in given.get("ScheduledActions", [])}
        self._delete_actions(a for a in old.get("ScheduledActions", []) if a["ScheduledActionName"] not in kept)
        for action in self.properties.get("ScheduledActions", []):
            self._backend().put_scheduled_action(
                self.properties["ServiceNamespace"],
                action["Schedule"],
                action.get("Timezone", "UTC"),
                action["ScheduledActionName"],
                self.properties["ResourceId"],
                self.properties["ScalableDimension"],
                action.get("StartTime"),
                action.get("EndTime"),
                action.get("ScalableTargetAction"),
            )

    def _remove(self) -> None:
        self._delete_actions(self.properties.get("ScheduledActions", []))
        self._backend().deregister_scalable_target(*self._key())

    def _delete_actions(self, actions: Iterable[dict[str, Any]]) -> None:
        namespace, resource, dimension = self._key()
        for action in actions:
            self._backend().delete_scheduled_action(namespace, action["ScheduledActionName"], resource, dimension)

    def _key(self) -> tuple[str, str, str]:
        given = self.properties
        return given["ServiceNamespace"], given["ResourceId"], given["ScalableDimension"]

    def _backend(self) -> Any:
        return applicationautoscaling_backends[self.account][self.region]


class ScalingPolicy(Resource):
    """AWS::ApplicationAutoScaling::ScalingPolicy."""

    TYPE = "AWS::ApplicationAutoScaling::ScalingPolicy"

    def _create(self) -> None:
        given = self.properties
        kind = given["PolicyType"]
        policy = self._backend().put_scaling_policy(
            given["PolicyName"], *self._key(), given[f"{kind}PolicyConfiguration"], kind
        )
        self.physical_resource_id = policy.policy_arn
        self.attributes = {"Arn": policy.policy_arn}

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._create()

    def _remove(self) -> None:
        self._backend().delete_scaling_policy(self.properties["PolicyName"], *self._key())

    def _key(self) -> tuple[str, str, str]:
        given = self.properties
        if "ScalingTargetId" in given:
            resource, dimension, namespace = given["ScalingTargetId"].split("|")
            return namespace, resource, dimension
        return given["ServiceNamespace"], given["ResourceId"], given["ScalableDimension"]

    def _backend(self) -> Any:
        return applicationautoscaling_backends[self.account][self.region]


class LogGroup(Resource):
    """AWS::Logs::LogGroup."""

    TYPE = "AWS::Logs::LogGroup"
    NAME = "LogGroupName"

    def _create(self) -> None:
        backend = logs_backends[self.account][self.region]
        tags = {tag["Key"]: tag["Value"] for tag in self.properties.get("Tags", [])}
        group = backend.create_log_group(self.name, tags, kmsKeyId=self.properties.get("KmsKeyId"))
        self.physical_resource_id = self.name
        self.attributes = {"Arn": f"{group.arn}:*"}
        self._update({})

    def _update(self, old: dict[str, Any]) -> None:
        backend = logs_backends[self.account][self.region]
        if days := self.properties.get("RetentionInDays"):
            backend.put_retention_policy(self.name, int(days))
        elif old.get("RetentionInDays"):
            backend.delete_retention_policy(self.name)

    def _remove(self) -> None:
        backend = logs_backends[self.account][self.region]
        if self.name in backend.groups:
            backend.delete_log_group(self.name)


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


class WorkloadConfig(Resource):
    """AWS::SageMaker::AIWorkloadConfig."""

    TYPE = "AWS::SageMaker::AIWorkloadConfig"
    NAME = "AIWorkloadConfigName"

    def _create(self) -> None:
        self.name = str(self.properties.get(self.NAME) or f"{self.logical_resource_id[:40]}-{suffix()}").lower()
        given = self.properties | {self.NAME: self.name}
        self.physical_resource_id = self.call("CreateAIWorkloadConfig", **given)["AIWorkloadConfigArn"]
        self.attributes = {"AIWorkloadConfigArn": self.physical_resource_id}

    def _update(self, old: dict[str, Any]) -> None:
        """Only tags change in place."""

    def _remove(self) -> None:
        self.call("DeleteAIWorkloadConfig", AIWorkloadConfigName=self.name)


def _permission(self: FakeBucket, action: str, resource: str) -> Any:
    """Judge a bucket by the statements without conditions: moto would take ``Deny ... if not TLS`` as ``Deny``."""
    if self.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(self.policy)
    statements = [statement for statement in policy["Statement"] if not statement.get("Condition")]
    if not statements:
        return PermissionResult.NEUTRAL
    return IAMPolicy(json.dumps(policy | {"Statement": statements})).is_action_permitted(action, resource)


def install() -> None:
    """Put the judgement above in place of moto's; and an empty event history, which the CDK CLI reads on failure."""
    FakeBucket.get_permission = _permission
    CloudTrailResponse.lookup_events = lambda _: ActionResult({"Events": []})
