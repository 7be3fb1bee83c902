"""CloudFormation's CodeBuild projects."""

from __future__ import annotations

from typing import Any

from localcloud.aws.cloudformation.resources.base import Resource
from localcloud.aws.compute.builds import PROJECTS


class Project(Resource):
    """AWS::CodeBuild::Project."""

    TYPE = "AWS::CodeBuild::Project"
    NAME = "Name"
    NAMED_AFTER_STACK = False

    def _create(self) -> None:
        self.physical_resource_id = self.name
        arn = f"arn:aws:codebuild:{self.region}:{self.account}:project/{self.physical_resource_id}"
        self.attributes = {"Arn": arn, "Id": self.physical_resource_id}
        PROJECTS[self.physical_resource_id] = self.properties

    def _update(self, old: dict[str, Any]) -> None:
        del old
        PROJECTS[self.physical_resource_id] = self.properties

    def _remove(self) -> None:
        PROJECTS.pop(self.physical_resource_id, None)
