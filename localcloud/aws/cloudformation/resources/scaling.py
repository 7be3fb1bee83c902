"""CloudFormation's Application Auto Scaling types: scalable targets with their scheduled actions, and scaling policies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moto.applicationautoscaling.models import applicationautoscaling_backends

from localcloud.aws.cloudformation.resources.base import Resource


class ScalableTarget(Resource):
    """AWS::ApplicationAutoScaling::ScalableTarget; its inference component must exist."""

    TYPE = "AWS::ApplicationAutoScaling::ScalableTarget"

    def _create(self) -> None:
        kind, name = self.properties["ResourceId"].split("/", 1)
        if kind == "inference-component":
            self.call("DescribeInferenceComponent", InferenceComponentName=name)
        self._update({})
        self.physical_resource_id = "|".join(self._key()[i] for i in (1, 2, 0))
        self.attributes = {"Id": self.physical_resource_id}

    def _update(self, old: dict[str, Any]) -> None:
        properties = self.properties
        low, high = int(properties["MinCapacity"]), int(properties["MaxCapacity"])
        role = properties.get("RoleARN", "")
        self._backend().register_scalable_target(*self._key(), low, high, role, properties.get("SuspendedState"))
        kept = {action["ScheduledActionName"] for action in properties.get("ScheduledActions", [])}
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
        properties = self.properties
        return properties["ServiceNamespace"], properties["ResourceId"], properties["ScalableDimension"]

    def _backend(self) -> Any:
        return applicationautoscaling_backends[self.account][self.region]


class ScalingPolicy(Resource):
    """AWS::ApplicationAutoScaling::ScalingPolicy."""

    TYPE = "AWS::ApplicationAutoScaling::ScalingPolicy"

    def _create(self) -> None:
        properties = self.properties
        kind = properties["PolicyType"]
        policy = self._backend().put_scaling_policy(
            properties["PolicyName"], *self._key(), properties[f"{kind}PolicyConfiguration"], kind
        )
        self.physical_resource_id = policy.policy_arn
        self.attributes = {"Arn": policy.policy_arn}

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._create()

    def _remove(self) -> None:
        self._backend().delete_scaling_policy(self.properties["PolicyName"], *self._key())

    def _key(self) -> tuple[str, str, str]:
        properties = self.properties
        if "ScalingTargetId" in properties:
            resource, dimension, namespace = properties["ScalingTargetId"].split("|")
            return namespace, resource, dimension
        return properties["ServiceNamespace"], properties["ResourceId"], properties["ScalableDimension"]

    def _backend(self) -> Any:
        return applicationautoscaling_backends[self.account][self.region]
