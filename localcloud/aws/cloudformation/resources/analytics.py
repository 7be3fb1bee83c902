"""CloudFormation's types of Glue and Athena: databases and tables of the catalogue, and workgroups of queries."""

from __future__ import annotations

from typing import Any

from moto.athena.models import athena_backends
from moto.glue.exceptions import EntityNotFoundException
from moto.glue.models import glue_backends

from localcloud.aws.cloudformation.resources.base import Resource


class Database(Resource):
    """AWS::Glue::Database."""

    TYPE = "AWS::Glue::Database"

    def _create(self) -> None:
        content = dict(self.properties["DatabaseInput"])
        name = str(content.get("Name") or self.name).lower()
        self._backend().create_database(name, content | {"Name": name})
        self.physical_resource_id = name

    def _update(self, old: dict[str, Any]) -> None:
        del old
        content = self.properties["DatabaseInput"]
        self._backend().update_database(self.physical_resource_id, content | {"Name": self.physical_resource_id})

    def _remove(self) -> None:
        try:
            self._backend().delete_database(self.physical_resource_id)
        except EntityNotFoundException:
            return  # another request was faster

    def _backend(self) -> Any:
        return glue_backends[self.account][self.region]


class Table(Resource):
    """AWS::Glue::Table."""

    TYPE = "AWS::Glue::Table"

    def _create(self) -> None:
        content = self._content()
        self._backend().create_table(self.properties["DatabaseName"], content["Name"], content)
        self.physical_resource_id = content["Name"]

    def _update(self, old: dict[str, Any]) -> None:
        del old
        self._backend().update_table(self.properties["DatabaseName"], self.physical_resource_id, self._content())

    def _remove(self) -> None:
        try:
            self._backend().delete_table(self.properties["DatabaseName"], self.physical_resource_id)
        except EntityNotFoundException:
            return  # as above

    def _content(self) -> dict[str, Any]:
        content = dict(self.properties["TableInput"])
        return content | {"Name": str(content.get("Name") or self.name).lower()}

    def _backend(self) -> Any:
        return glue_backends[self.account][self.region]


class WorkGroup(Resource):
    """AWS::Athena::WorkGroup."""

    TYPE = "AWS::Athena::WorkGroup"
    NAME = "Name"

    def _create(self) -> None:
        work_group = self._backend().create_work_group(
            self.name, self._configuration(), self.properties.get("Description", ""), self.properties.get("Tags", [])
        )
        if work_group is None:
            raise ValueError(f"WorkGroup {self.name} is already created")
        self.physical_resource_id = self.name

    def _update(self, old: dict[str, Any]) -> None:
        del old
        found = self._backend().work_groups[self.name]
        found.configuration, found.description = self._configuration(), self.properties.get("Description", "")

    def _remove(self) -> None:
        self._backend().delete_work_group(self.name)

    def _configuration(self) -> dict[str, Any]:
        return dict(self.properties.get("WorkGroupConfiguration", {}))

    def _backend(self) -> Any:
        return athena_backends[self.account][self.region]
