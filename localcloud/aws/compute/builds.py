"""CodeBuild: everything about a build is real except the build step.

A build has the variables of its project and its own, its source and its phases. The step stands in for the machine that would run the
commands: with `IMAGE_TAG` it pushes an image whose digest depends on source and base image; any other build does nothing. A test
may use another step.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.codebuild.responses import CodeBuildResponse
from moto.core.responses import ActionResult
from moto.ecr.models import ecr_backends
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition

from localcloud.aws.hosting import access

MEDIA_TYPE = "application/vnd.docker.distribution.manifest.v2+json"

Step = Callable[["Build"], None]


class BuildFailedError(Exception):
    """The build step failed; the message becomes that of the build's phase."""


class Build:
    """One build, while its step runs.

    Attributes:
        account: Account of the project.
        region: Region of the project.
        variables: Environment variables of the project, overridden by those of the build.
        source: "bucket/key" of the archive that is built.
    """

    def __init__(self, *, account: str, region: str, variables: dict[str, str], source: str) -> None:
        self.account = account
        self.region = region
        self.variables = variables
        self.source = source

    def source_bytes(self) -> bytes:
        """Return the archive that is built."""
        bucket, _, key = self.source.partition("/")
        object_ = s3_backends[self.account][get_partition(self.region)].get_object(bucket, key)
        if object_ is None:
            raise BuildFailedError(f"no source at s3://{self.source}")
        return bytes(object_.value)


def push_image(build: Build) -> None:
    """Push an image whose digest changes with the source and with the base image."""
    if "IMAGE_TAG" not in build.variables:
        return
    content = hashlib.sha256(build.source_bytes() + build.variables.get("BASE_IMAGE", "").encode()).hexdigest()
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MEDIA_TYPE, "config": {"digest": f"sha256:{content}"}})
    ecr_backends[build.account][build.region].put_image(
        repository_name=build.variables["REPOSITORY"],
        image_manifest=manifest,
        image_tag=build.variables["IMAGE_TAG"],
        # For a manifest without layers moto picks one of 101 random digests; a registry hashes the manifest.
        digest=f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}",
    )


PROJECTS: dict[str, dict[str, Any]] = {}
"""Properties of every project, by name."""
_builds: dict[str, dict[str, Any]] = {}
_step: Step = push_image


def use_step(step: Step) -> Step:
    """Use another build step; return the previous one."""
    global _step
    before, _step = _step, step
    return before


def _start_build(self: CodeBuildResponse) -> ActionResult:
    request = json.loads(self.body)
    name, token = request["projectName"], request.get("idempotencyToken")
    earlier = next((build for build in _builds.values() if token and build["_token"] == token), None)
    if earlier is not None:
        return ActionResult({"build": _shown(earlier)})
    project = PROJECTS[name]
    defaults = project["Environment"].get("EnvironmentVariables", [])
    variables = {entry["Name"]: str(entry["Value"]) for entry in defaults}
    variables |= {entry["name"]: entry["value"] for entry in request.get("environmentVariablesOverride", [])}
    source = request.get("sourceLocationOverride") or project["Source"]["Location"]
    build_id = f"{name}:{uuid.uuid4()}"
    build = {
        "id": build_id,
        "arn": f"arn:aws:codebuild:{self.region}:{self.current_account}:build/{build_id}",
        "projectName": name,
        "startTime": datetime.now(UTC),
        "buildStatus": "IN_PROGRESS",
        "phases": [],
        "environment": {"environmentVariables": [{"name": key, "value": variables[key]} for key in sorted(variables)]},
        "_token": token,
    }
    _builds[build_id] = build
    try:
        _check_role(project.get("ServiceRole"), source, region=self.region)
        _step(Build(account=self.current_account, region=self.region, variables=variables, source=source))
        build["buildStatus"] = "SUCCEEDED"
    except BuildFailedError as error:
        build["buildStatus"] = "FAILED"
        build["phases"] = [{"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{"message": str(error)}]}]
    return ActionResult({"build": _shown(build)})


def _check_role(role: str | None, source: str, *, region: str) -> None:
    """Refuse a build whose role may not read its source; its commands would not even start."""
    denial = access.reading(role, f"s3://{source}", region=region)
    if denial is not None:
        raise BuildFailedError(f"CLIENT_ERROR: AccessDenied: {denial} for primary source and source version")


def _batch_get_builds(self: CodeBuildResponse) -> ActionResult:
    ids = json.loads(self.body)["ids"]
    return ActionResult({"builds": [_shown(_builds[build_id]) for build_id in ids if build_id in _builds]})


def _list_builds(self: CodeBuildResponse) -> ActionResult:
    name = json.loads(self.body)["projectName"]
    ids = [build_id for build_id, build in _builds.items() if build["projectName"] == name]
    return ActionResult({"ids": ids[::-1]})


def _shown(build: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in build.items() if not key.startswith("_")}


def install() -> None:
    """Replace moto's builds by these."""
    CodeBuildResponse.start_build = _start_build
    CodeBuildResponse.batch_get_builds = _batch_get_builds
    CodeBuildResponse.list_builds_for_project = _list_builds
