"""What the build-job functions decide, apart from Lambda.

A job is known by its fingerprint. Its result, an image tag or a manifest, is made by one CodeBuild build and never changes, so
every step can be repeated: a result that is there ends the job, a build that runs is waited for, and only then one is started.

CloudFormation waits an hour for a custom resource and no longer, so a job is a chain of them: each waits for its stage, all but the
last give up quietly, and the next goes on with the same build.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

FINGERPRINT = "CDK_SGLANG_FINGERPRINT"
"""Variable that marks a build with its job."""

# CloudFormation takes 4,096 bytes of response in all (docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html).
_TAIL_CHARACTERS = 1500
_TAIL_EVENTS = 60
_MANIFEST_FORMAT = 1
_HUB_FILE = "cdk-sglang-hash"
"""Both as the staging program has them (_runtime/weights/manifest.py); a test holds them together."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class JobError(Exception):
    """The job cannot be done; the text is the reason CloudFormation shows."""


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Clients of boto3."""

    codebuild: Any
    ecr: Any
    logs: Any
    s3: Any


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one custom resource asks for."""

    name: str
    project: str
    fingerprint: str
    stage: int
    stages: int
    stage_seconds: int
    source: str
    variables: dict[str, str]
    repository: str
    tag: str
    bucket: str
    manifest: str
    patterns: dict[str, list[str]]
    text: str

    @classmethod
    def parse(cls, text: str) -> Asked:
        """Read the property; CloudFormation hands numbers over as strings, so it is one JSON text."""
        asked = json.loads(text)
        result = asked["result"]
        return cls(
            name=asked["name"],
            project=asked["project"],
            fingerprint=asked["fingerprint"],
            stage=asked["stage"],
            stages=asked["stages"],
            stage_seconds=asked["stage_seconds"],
            source=asked.get("source", ""),
            variables=asked.get("variables", {}),
            repository=result.get("repository", ""),
            tag=result.get("tag", ""),
            bucket=result.get("bucket", ""),
            manifest=result.get("manifest", ""),
            patterns=result.get("patterns", {}),
            text=text,
        )

    @property
    def physical_id(self) -> str:
        """The same for every content: a new image must not make CloudFormation delete the old one."""
        return f"{self.project}/{self.name}/{self.stage}"

    @property
    def is_last(self) -> bool:
        """Whether no other resource waits after this one."""
        return self.stage == self.stages - 1


def begin(aws: Clients, asked: Asked, *, token: str, now: float) -> dict[str, str]:
    """Return the build to wait for, starting it where there is neither a result nor a build on its way."""
    ends = {"StageEnds": str(int(now) + asked.stage_seconds)}
    result = find_result(aws, asked)
    if result is not None:
        return ends | result
    build = _find_build(aws, asked)
    if build is not None and (asked.stage > 0 or build["buildStatus"] == "IN_PROGRESS"):
        return ends | {"BuildId": build["id"]}
    return ends | {"BuildId": _start(aws, asked, token)}


def check(aws: Clients, asked: Asked, *, begun: dict[str, str], now: float) -> dict[str, Any]:
    """Say whether the job, or this stage of waiting for it, is over."""
    result = find_result(aws, asked)
    if result is not None:
        return {"IsComplete": True, "Data": result}
    build_id = begun.get("BuildId", "")
    build = _describe(aws, [build_id])[0] if build_id else None
    if build is None:
        raise JobError(f"{asked.name}: its result was there and is gone; deploy again to make it anew")
    status = build["buildStatus"]
    if status == "SUCCEEDED":
        raise JobError(f"{asked.name}: build {build_id} succeeded but left no {_what(asked)}{_tail(aws, build)}")
    if status != "IN_PROGRESS":
        raise JobError(f"{asked.name}: build {build_id} ended as {status}{_why(build)}{_tail(aws, build)}")
    if now < float(begun["StageEnds"]):
        return {"IsComplete": False}
    if not asked.is_last:
        return {"IsComplete": True, "Data": {"Digest": "", "Bytes": "0"}}
    minutes = asked.stages * asked.stage_seconds // 60
    raise JobError(
        f"{asked.name}: build {build_id} still runs after {minutes} minutes; it goes on, so deploy again to wait for it, "
        "or allow it more time"
    )


def find_result(aws: Clients, asked: Asked) -> dict[str, str] | None:
    """Return the attributes of the result, or None while there is none."""
    return _find_image(aws.ecr, asked) if asked.repository else _find_manifest(aws.s3, asked)


def _find_image(ecr: Any, asked: Asked) -> dict[str, str] | None:
    try:
        found = ecr.describe_images(repositoryName=asked.repository, imageIds=[{"imageTag": asked.tag}])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ImageNotFoundException":
            return None
        raise
    return {"Digest": found["imageDetails"][0]["imageDigest"]}


def _find_manifest(s3: Any, asked: Asked) -> dict[str, str] | None:
    """Return the size of a staged model where its record is this very order's, and every file it names is there."""
    try:
        answer = s3.get_object(Bucket=asked.bucket, Key=asked.manifest)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            return None
        raise
    prefix = f"{asked.manifest.rpartition('/')[0]}/"
    # A file of the repository may have the record's name.
    files = {} if _HUB_FILE in answer["Metadata"] else _recorded(answer["Body"].read(), prefix, asked)
    if not files:
        return None
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=asked.bucket, Prefix=prefix)
    sizes = {entry["Key"].removeprefix(prefix): entry["Size"] for page in pages for entry in page.get("Contents", [])}
    if any(sizes.get(name) != size for name, size in files.items()):
        return None
    return {"Bytes": str(sum(files.values()))}


def _recorded(body: bytes, prefix: str, asked: Asked) -> dict[str, int]:
    """Return names and sizes of a staging's record; nothing where it is none, or that of another order.

    The staging program says what is wrong with such a one, or writes it anew.
    """
    try:
        manifest = json.loads(body)
        files = {str(file["path"]): int(file["bytes"]) for file in manifest["files"]}
        place = f"weights/{manifest['repo']}/{manifest['revision']}/"
    except (ValueError, LookupError, TypeError):
        return {}
    same_files = all(manifest.get(kind, []) == patterns for kind, patterns in asked.patterns.items())
    return files if manifest.get("format") == _MANIFEST_FORMAT and place == prefix and same_files else {}


def _find_build(aws: Clients, asked: Asked) -> dict[str, Any] | None:
    """Return the youngest build of this job; those that still run are among the youngest hundred of the project."""
    ids = aws.codebuild.list_builds_for_project(projectName=asked.project, sortOrder="DESCENDING").get("ids", [])
    found = [build for build in _describe(aws, ids) if _fingerprint(build) == asked.fingerprint]
    return max(found, key=lambda build: str(build.get("startTime", ""))) if found else None


def _describe(aws: Clients, ids: list[str]) -> list[dict[str, Any]]:
    builds: list[dict[str, Any]] = aws.codebuild.batch_get_builds(ids=ids)["builds"] if ids else []
    return builds


def _fingerprint(build: dict[str, Any]) -> str:
    variables = build.get("environment", {}).get("environmentVariables", [])
    return next((str(variable["value"]) for variable in variables if variable["name"] == FINGERPRINT), "")


def _start(aws: Clients, asked: Asked, token: str) -> str:
    variables = {**asked.variables, FINGERPRINT: asked.fingerprint}
    source = {"sourceTypeOverride": "S3", "sourceLocationOverride": asked.source} if asked.source else {}
    build = aws.codebuild.start_build(
        projectName=asked.project,
        idempotencyToken=token,  # Lambda may deliver an event twice
        environmentVariablesOverride=[
            {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in sorted(variables.items())
        ],
        **source,
    )["build"]
    return str(build["id"])


def _what(asked: Asked) -> str:
    return f"image {asked.repository}:{asked.tag}" if asked.repository else f"s3://{asked.bucket}/{asked.manifest}"


def _why(build: dict[str, Any]) -> str:
    """Return what CodeBuild says of the phase that failed."""
    for phase in build.get("phases", []):
        if phase.get("phaseStatus") in {"FAILED", "FAULT", "TIMED_OUT", "CLIENT_ERROR"}:
            messages = [context["message"] for context in phase.get("contexts", []) if context.get("message")]
            return f" in {phase['phaseType']}" + (f": {messages[0]}" if messages else "")
    return ""


def _tail(aws: Clients, build: dict[str, Any]) -> str:
    """Return the end of the build's log, as far as CloudFormation has room for it."""
    place = build.get("logs", {})
    if not place.get("groupName") or not place.get("streamName"):
        return ""
    try:
        events = aws.logs.get_log_events(
            logGroupName=place["groupName"], logStreamName=place["streamName"], startFromHead=False, limit=_TAIL_EVENTS
        )["events"]
    except ClientError as error:
        return f"; its log cannot be read: {error.response['Error']['Code']}"
    lines = [_ANSI.sub("", str(event["message"])).rstrip() for event in events]
    text = "\n".join(line for line in lines if line)
    return f"; the end of its log:\n{text[-_TAIL_CHARACTERS:]}" if text else ""
