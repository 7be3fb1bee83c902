"""A stand-in, driven by the registry schema, for every resource type without an implementation."""

from __future__ import annotations

from typing import Any

from localcloud.aws.cloudformation import schemas
from localcloud.aws.cloudformation.names import suffix
from localcloud.aws.cloudformation.resources.base import Resource


def schema_type(type_name: str) -> type[Resource]:
    """Create the class of a type without behaviour: the schema checks its properties, names it and decides what replaces it."""

    class Generic(Resource):
        TYPE = type_name

        def _create(self) -> None:
            _, vendor, kind = (*type_name.split("::"), "")[:3]
            identity = f"{self.logical_resource_id[:40]}-{suffix()}".lower()
            arn = f"arn:aws:{vendor.lower()}:{self.region}:{self.account}:{kind.lower()}/{identity}"
            for attribute in schemas.read_only(type_name):
                self.attributes[attribute] = arn if attribute.lower().endswith("arn") else identity
            for key in schemas.top_level(type_name, "primaryIdentifier")[:1]:
                self.physical_resource_id = str(self.properties.get(key) or self.attributes.get(key) or identity)
            self.physical_resource_id = self.physical_resource_id or identity

        def _update(self, old: dict[str, Any]) -> None:
            """Keep the resource: it has no behaviour."""

    Generic.__name__ = type_name.replace("::", "")
    return Generic
