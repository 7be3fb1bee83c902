"""Logic of the build-job functions, without Lambda.

A fingerprint identifies a job. Its result, an image tag or a manifest, comes from one CodeBuild build and never changes, so
every step can be repeated: if the result exists, the job is done; if a build is running, the job waits for it; otherwise it starts one.

CloudFormation waits at most an hour for a custom resource, so a job is a chain of resources: each waits for its stage, all but the
last give up without an error, and the next continues with the same build.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

FINGERPRINT = "CDK_SGLANG_FINGERPRINT"
"""Environment variable that identifies the job of a build."""

# CloudFormation accepts a response of at most 4,096 bytes (docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html).
_TAIL_CHARACTERS = 1500
_TAIL_EVENTS = 60
_MANIFEST_FORMAT = 1
_HUB_FILE = "cdk-sglang-hash"
"""Both equal the values of the staging program (_runtime/weights/manifest.py); a test compares them."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class JobError(Exception):
    """The job failed; the text is the reason that CloudFormation shows."""


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Clients of boto3."""

    codebuild: Any
    ecr: Any
    logs: Any
    s3: Any


@dataclass(frozen=True, kw_only=True)
class Job:
    """The job of a custom resource."""

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
    def parse(cls, text: str) -> Job:
        """Parse the property. It is one JSON text, since CloudFormation passes numbers as strings."""
        content = json.loads(text)
        result = content["result"]
        return cls(
            name=content["name"],
            project=content["project"],
            fingerprint=content["fingerprint"],
            stage=content["stage"],
            stages=content["stages"],
            stage_seconds=content["stage_seconds"],
            source=content.get("source", ""),
            variables=content.get("variables", {}),
            repository=result.get("repository", ""),
            tag=result.get("tag", ""),
            bucket=result.get("bucket", ""),
            manifest=result.get("manifest", ""),
            patterns=result.get("patterns", {}),
            text=text,
        )

    @property
    def physical_id(self) -> str:
        """Physical id, which does not depend on the content: a new image must not make CloudFormation delete the old one."""
        return f"{self.project}/{self.name}/{self.stage}"

    @property
    def is_last(self) -> bool:
        """Whether no other resource waits after this one."""
        return self.stage == self.stages - 1


def begin(aws: Clients, job: Job, *, token: str, now: float) -> dict[str, str]:
    """Return the result, or the build to wait for; start a build if there is neither."""
    ends = {"StageEnds": str(int(now) + job.stage_seconds)}
    result = find_result(aws, job)
    if result is not None:
        return ends | result
    build = _find_build(aws, job)
    if build is not None and (job.stage > 0 or build["buildStatus"] == "IN_PROGRESS"):
        return ends | {"BuildId": build["id"]}
    return ends | {"BuildId": _start(aws, job, token)}


def check(aws: Clients, job: Job, *, start: dict[str, str], now: float) -> dict[str, Any]:
    """Return whether the job, or this stage of the wait, is over."""
    result = find_result(aws, job)
    if result is not None:
        return {"IsComplete": True, "Data": result}
    build_id = start.get("BuildId", "")
    build = _describe(aws, [build_id])[0] if build_id else None
    if build is None:
        raise JobError(f"{job.name}: its result was there and is gone; deploy again to make it anew")
    status = build["buildStatus"]
    if status == "SUCCEEDED":
        raise JobError(f"{job.name}: build {build_id} succeeded but left no {_what(job)}{_tail(aws, build)}")
    if status != "IN_PROGRESS":
        raise JobError(f"{job.name}: build {build_id} ended as {status}{_why(build)}{_tail(aws, build)}")
    if now < float(start["StageEnds"]):
        return {"IsComplete": False}
    if not job.is_last:
        return {"IsComplete": True, "Data": {"Digest": "", "Bytes": "0"}}
    minutes = job.stages * job.stage_seconds // 60
    raise JobError(
        f"{job.name}: build {build_id} still runs after {minutes} minutes; it goes on, so deploy again to wait for it, "
        "or allow it more time"
    )


def find_result(aws: Clients, job: Job) -> dict[str, str] | None:
    """Return the attributes of the result; None if there is none yet."""
    return _find_image(aws.ecr, job) if job.repository else _find_manifest(aws.s3, job)


def _find_image(ecr: Any, job: Job) -> dict[str, str] | None:
    try:
        images = ecr.describe_images(repositoryName=job.repository, imageIds=[{"imageTag": job.tag}])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ImageNotFoundException":
            return None
        raise
    return {"Digest": images["imageDetails"][0]["imageDigest"]}


def _find_manifest(s3: Any, job: Job) -> dict[str, str] | None:
    """Return the size of a staged model if its record belongs to this job and all its files exist; otherwise None."""
    try:
        answer = s3.get_object(Bucket=job.bucket, Key=job.manifest)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            return None
        raise
    prefix = f"{job.manifest.rpartition('/')[0]}/"
    # A file of the repository may have the record's name.
    files = {} if _HUB_FILE in answer["Metadata"] else _record_files(answer["Body"].read(), prefix, job)
    if not files:
        return None
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=job.bucket, Prefix=prefix)
    sizes = {entry["Key"].removeprefix(prefix): entry["Size"] for page in pages for entry in page.get("Contents", [])}
    if any(sizes.get(name) != size for name, size in files.items()):
        return None
    return {"Bytes": str(sum(files.values()))}


def _record_files(body: bytes, prefix: str, job: Job) -> dict[str, int]:
    """Return names and sizes from a staging record; empty if it is not a record, or belongs to another job.

    The staging program reports or rewrites such a record.
    """
    try:
        manifest = json.loads(body)
        files = {str(file["path"]): int(file["bytes"]) for file in manifest["files"]}
        place = f"weights/{manifest['repo']}/{manifest['revision']}/"
    except (ValueError, LookupError, TypeError):
        return {}
    same_files = all(manifest.get(kind, []) == patterns for kind, patterns in job.patterns.items())
    return files if manifest.get("format") == _MANIFEST_FORMAT and place == prefix and same_files else {}


def _find_build(aws: Clients, job: Job) -> dict[str, Any] | None:
    """Return the latest build of this job; running builds are among the latest hundred of the project."""
    ids = aws.codebuild.list_builds_for_project(projectName=job.project, sortOrder="DESCENDING").get("ids", [])
    builds = [build for build in _describe(aws, ids) if _fingerprint(build) == job.fingerprint]
    return max(builds, key=lambda build: str(build.get("startTime", ""))) if builds else None


def _describe(aws: Clients, ids: list[str]) -> list[dict[str, Any]]:
    builds: list[dict[str, Any]] = aws.codebuild.batch_get_builds(ids=ids)["builds"] if ids else []
    return builds


def _fingerprint(build: dict[str, Any]) -> str:
    variables = build.get("environment", {}).get("environmentVariables", [])
    return next((str(variable["value"]) for variable in variables if variable["name"] == FINGERPRINT), "")


def _start(aws: Clients, job: Job, token: str) -> str:
    variables = {**job.variables, FINGERPRINT: job.fingerprint}
    source = {"sourceTypeOverride": "S3", "sourceLocationOverride": job.source} if job.source else {}
    build = aws.codebuild.start_build(
        projectName=job.project,
        idempotencyToken=token,  # Lambda may deliver an event twice
        environmentVariablesOverride=[
            {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in sorted(variables.items())
        ],
        **source,
    )["build"]
    return str(build["id"])


def _what(job: Job) -> str:
    return f"image {job.repository}:{job.tag}" if job.repository else f"s3://{job.bucket}/{job.manifest}"


def _why(build: dict[str, Any]) -> str:
    """Return CodeBuild's message about the failed phase."""
    for phase in build.get("phases", []):
        if phase.get("phaseStatus") in {"FAILED", "FAULT", "TIMED_OUT", "CLIENT_ERROR"}:
            messages = [context["message"] for context in phase.get("contexts", []) if context.get("message")]
            return f" in {phase['phaseType']}" + (f": {messages[0]}" if messages else "")
    return ""


def _tail(aws: Clients, build: dict[str, Any]) -> str:
    """Return the end of the build's log, as much as fits into CloudFormation's reason."""
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
