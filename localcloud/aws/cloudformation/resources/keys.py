"""CloudFormation's KMS keys: their tags have a different format than in moto."""

from __future__ import annotations

import json
from typing import Any

from moto.kms.models import kms_backends

from localcloud.aws.cloudformation.resources.base import Resource


class Key(Resource):
    """AWS::KMS::Key; its removal schedules the key's deletion, as on AWS."""

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
