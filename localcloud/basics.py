"""Keys and parameters from a template: moto takes tags in the API's shape where CloudFormation has its own."""

from __future__ import annotations

import json
from typing import Any

from moto.kms.models import kms_backends
from moto.ssm.models import ssm_backends

from localcloud.resources import Resource


class Key(Resource):
    """AWS::KMS::Key; removing it schedules its deletion, as CloudFormation does."""

    TYPE = "AWS::KMS::Key"

    def _create(self) -> None:
        tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in self.properties.get("Tags", [])]
        key = self._backend().create_key(
            policy=self._policy(),
            key_usage=self.properties.get("KeyUsage", "ENCRYPT_DECRYPT"),
            key_spec=self.properties.get("KeySpec", "SYMMETRIC_DEFAULT"),
            description=self.properties.get("Description", ""),
            tags=tags,
        )
        self.physical_resource_id = key.id
        self.attributes = {"Arn": key.arn, "KeyId": key.id}
        self._update({})

    def _update(self, old: dict[str, Any]) -> None:
        del old
        key = self._backend().keys[self.physical_resource_id]
        key.policy = self._policy()
        key.description = self.properties.get("Description", "")
        key.key_rotation_status = str(self.properties.get("EnableKeyRotation", False)).lower() == "true"

    def _remove(self) -> None:
        self._backend().schedule_key_deletion(self.physical_resource_id, self.properties.get("PendingWindowInDays", 30))

    def _policy(self) -> str:
        return json.dumps(self.properties["KeyPolicy"])

    def _backend(self) -> Any:
        return kms_backends[self.account][self.region]


class Parameter(Resource):
    """AWS::SSM::Parameter; its tags are a mapping."""

    TYPE = "AWS::SSM::Parameter"
    NAME = "Name"

    def _create(self) -> None:
        self._put(overwrite=False)
        self.physical_resource_id = self.name
        self.attributes = {"Type": self.properties["Type"], "Value": self.properties["Value"]}

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._put(overwrite=True)
        self.attributes["Value"] = self.properties["Value"]

    def _remove(self) -> None:
        self._backend().delete_parameter(self.name)

    def _put(self, *, overwrite: bool) -> None:
        given = self.properties
        self._backend().put_parameter(
            name=self.name,
            description=given.get("Description"),
            value=given["Value"],
            parameter_type=given["Type"],
            allowed_pattern=given.get("AllowedPattern"),
            keyid=None,
            overwrite=overwrite,
            tags=[{"Key": key, "Value": value} for key, value in given.get("Tags", {}).items()],
            data_type=given.get("DataType", "text"),
            tier=given.get("Tier"),
            policies=given.get("Policies"),
        )

    def _backend(self) -> Any:
        return ssm_backends[self.account][self.region]
