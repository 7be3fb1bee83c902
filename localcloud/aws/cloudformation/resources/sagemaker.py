"""CloudFormation's SageMaker types, with handlers that wait until SageMaker is done."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

from localcloud.aws.cloudformation.resources.base import HANDLER_TIMEOUT_S, Resource
from localcloud.aws.hosting import operations, validation
from localcloud.aws.hosting.store import store


def _tags(properties: dict[str, Any]) -> list[dict[str, str]]:
    return list(properties.get("Tags", ()))


class Model(Resource):
    """AWS::SageMaker::Model."""

    TYPE = "AWS::SageMaker::Model"
    NAME = "ModelName"
    NAMED_AFTER_STACK = False

    def _create(self) -> None:
        arn = self.call("CreateModel", **self.properties | {"ModelName": self.name})["ModelArn"]
        self.physical_resource_id = self.name
        self.attributes = {"ModelName": self.name, "Id": arn}

    def _update(self, old: dict[str, Any]) -> None:
        """Change its tags, which are all that can change in place."""
        del old
        store(self.account, self.region).models()[self.name].tags = _tags(self.properties)

    def _remove(self) -> None:
        operations.delete_model(self.account, self.region, self.name)


class EndpointConfig(Resource):
    """AWS::SageMaker::EndpointConfig; every change but one of its tags replaces it."""

    TYPE = "AWS::SageMaker::EndpointConfig"
    NAME = "EndpointConfigName"
    NAMED_AFTER_STACK = False

    def _create(self) -> None:
        response = self.call("CreateEndpointConfig", **self.properties | {"EndpointConfigName": self.name})
        self.physical_resource_id = response["EndpointConfigArn"]
        self.attributes = {"EndpointConfigName": self.name, "EndpointConfigArn": self.physical_resource_id}
        self.attributes["Id"] = self.physical_resource_id

    def _update(self, old: dict[str, Any]) -> None:
        """Change its tags, which are all that can change in place."""
        del old
        store(self.account, self.region).configs[self.name].tags = _tags(self.properties)

    def _remove(self) -> None:
        self.call("DeleteEndpointConfig", EndpointConfigName=self.name)


class Endpoint(Resource):
    """AWS::SageMaker::Endpoint; the handler notices a rollback only if SageMaker gives a reason for it."""

    TYPE = "AWS::SageMaker::Endpoint"
    NAME = "EndpointName"
    NAMED_AFTER_STACK = False
    _CREATE_S: ClassVar[int] = 160 * 60  # registry schema of 2026-10-20, handlers
    _UPDATE_S: ClassVar[int] = 970 * 60

    def _create(self) -> None:
        response = self.call("CreateEndpoint", **self.properties | {"EndpointName": self.name})
        self.physical_resource_id = response["EndpointArn"]
        self.attributes = {"EndpointName": self.name, "EndpointArn": self.physical_resource_id}
        self.attributes["Id"] = self.physical_resource_id
        self._settle(self._CREATE_S)

    def _update(self, old: dict[str, Any]) -> None:
        if old.get("EndpointConfigName") != self.properties["EndpointConfigName"]:
            self.call("UpdateEndpoint", **self.properties | {"EndpointName": self.name})
            self._settle(self._UPDATE_S)
        store(self.account, self.region).endpoints[self.name].tags = _tags(self.properties)

    def _remove(self) -> None:
        self.stabilize(self._busy, timeout_s=self._UPDATE_S)
        self.call("DeleteEndpoint", EndpointName=self.name)
        self.stabilize(lambda: None if self._described() is None else "Deleting")

    def _described(self) -> dict[str, Any] | None:
        with contextlib.suppress(validation.ValidationError):
            return self.call("DescribeEndpoint", EndpointName=self.name)
        return None

    def _busy(self) -> str | None:
        status = (self._described() or {}).get("EndpointStatus")
        return status if status in ("Creating", "Updating", "RollingBack", "Deleting") else None

    def _settle(self, timeout_s: float) -> None:
        self.stabilize(self._busy, timeout_s=timeout_s)
        end = self._described() or {"EndpointStatus": "Deleted"}
        if end["EndpointStatus"] != "InService" or end.get("FailureReason"):
            raise NotStabilizedError(self, end.get("FailureReason", end["EndpointStatus"]))


class InferenceComponent(Resource):
    """AWS::SageMaker::InferenceComponent; Ref and the attribute are the ARN, and no attribute is the name."""

    TYPE = "AWS::SageMaker::InferenceComponent"
    NAME = "InferenceComponentName"
    NAMED_AFTER_STACK = False
    _UPDATE_S: ClassVar[int] = 490 * 60  # registry schema of 2026-10-20, handlers
    _FIXED = ("InferenceComponentName", "EndpointName", "VariantName")

    def _create(self) -> None:
        response = self.call("CreateInferenceComponent", **self.properties | {"InferenceComponentName": self.name})
        self.physical_resource_id = response["InferenceComponentArn"]
        self._settle(HANDLER_TIMEOUT_S)

    def _update(self, old: dict[str, Any]) -> None:
        changed = [key for key in self._FIXED if old.get(key) != self.properties.get(key)]
        if changed:
            raise validation.ValidationError(f"UpdateInferenceComponent cannot change {', '.join(changed)}")
        self.call("UpdateInferenceComponent", **self.properties | {"InferenceComponentName": self.name})
        self._settle(self._UPDATE_S)
        store(self.account, self.region).components[self.name].tags = _tags(self.properties)

    def _remove(self) -> None:
        self.stabilize(self._busy)
        if self._described() is not None:
            self.call("DeleteInferenceComponent", InferenceComponentName=self.name)
            self.stabilize(lambda: None if self._described() is None else "Deleting")

    def _described(self) -> dict[str, Any] | None:
        with contextlib.suppress(validation.ValidationError):
            return self.call("DescribeInferenceComponent", InferenceComponentName=self.name)
        return None

    def _busy(self) -> str | None:
        status = (self._described() or {}).get("InferenceComponentStatus")
        return status if status in ("Creating", "Updating", "Deleting") else None

    def _settle(self, timeout_s: float) -> None:
        self.stabilize(self._busy, timeout_s=timeout_s)
        end = self._described() or {"InferenceComponentStatus": "Deleted"}
        if end["InferenceComponentStatus"] != "InService" or end.get("FailureReason"):
            raise NotStabilizedError(self, end.get("FailureReason", end["InferenceComponentStatus"]))
        self.attributes = {"InferenceComponentArn": self.physical_resource_id}
        self.attributes["InferenceComponentStatus"] = end["InferenceComponentStatus"]


class NotStabilizedError(Exception):
    """A handler waited for a state that the resource did not reach."""

    def __init__(self, resource: Resource, reason: str) -> None:
        super().__init__(f'Resource handler returned message: "{reason}" (HandlerErrorCode: NotStabilized)')
        self.resource = resource


class WorkloadConfig(Resource):
    """AWS::SageMaker::AIWorkloadConfig."""

    TYPE = "AWS::SageMaker::AIWorkloadConfig"
    NAME = "AIWorkloadConfigName"
    NAMED_AFTER_STACK = False

    def _create(self) -> None:
        self.name = self.name.lower()
        request = self.properties | {self.NAME: self.name}
        self.physical_resource_id = self.call("CreateAIWorkloadConfig", **request)["AIWorkloadConfigArn"]
        self.attributes = {"AIWorkloadConfigArn": self.physical_resource_id}

    def _update(self, old: dict[str, Any]) -> None:
        """Keep the workload: only its tags can change in place."""

    def _remove(self) -> None:
        self.call("DeleteAIWorkloadConfig", AIWorkloadConfigName=self.name)


class ModelPackageGroup(Resource):
    """AWS::SageMaker::ModelPackageGroup."""

    TYPE = "AWS::SageMaker::ModelPackageGroup"
    NAME = "ModelPackageGroupName"
    NAMED_AFTER_STACK = False

    def _create(self) -> None:
        arn = self.call("CreateModelPackageGroup", **self.properties | {self.NAME: self.name})["ModelPackageGroupArn"]
        self.physical_resource_id = arn
        self.attributes = {"ModelPackageGroupArn": arn, "ModelPackageGroupStatus": "Completed"}

    def _update(self, old: dict[str, Any]) -> None:
        """Keep the group: only its tags and policy can change in place."""

    def _remove(self) -> None:
        self.call("DeleteModelPackageGroup", ModelPackageGroupName=self.name)
