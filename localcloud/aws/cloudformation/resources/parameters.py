"""CloudFormation's SSM parameters: their tags are a mapping there, and a list of pairs in moto."""

from __future__ import annotations

from typing import Any

from moto.ssm.models import ssm_backends

from localcloud.aws.cloudformation.resources.base import Resource


class Parameter(Resource):
    """AWS::SSM::Parameter."""

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
        properties = self.properties
        self._backend().put_parameter(
            name=self.name,
            description=properties.get("Description"),
            value=properties["Value"],
            parameter_type=properties["Type"],
            allowed_pattern=properties.get("AllowedPattern"),
            keyid=None,
            overwrite=overwrite,
            tags=[{"Key": key, "Value": value} for key, value in properties.get("Tags", {}).items()],
            data_type=properties.get("DataType", "text"),
            tier=properties.get("Tier"),
            policies=properties.get("Policies"),
        )

    def _backend(self) -> Any:
        return ssm_backends[self.account][self.region]
