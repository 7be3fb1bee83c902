"""The functions that start builds and wait for them, on moto's ECR, S3 and logs, with a CodeBuild that does as it is told."""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

RUNTIME = Path(__file__).parents[3] / "constructs" / "cdk_sglang" / "_runtime"


@pytest.fixture
def logic(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(RUNTIME))
    yield importlib.import_module("build_jobs.logic")
    for name in [name for name in sys.modules if name.startswith("build_jobs")]:
        del sys.modules[name]


@dataclass
class FakeCodeBuild:
    builds: list[dict[str, Any]] = field(default_factory=list)
    started: list[dict[str, Any]] = field(default_factory=list)

    def start_build(self, **request: Any) -> dict[str, Any]:
        tokens = [earlier["idempotencyToken"] for earlier in self.started]
        if request["idempotencyToken"] in tokens:
            return {"build": self.builds[tokens.index(request["idempotencyToken"])]}
        self.started.append(request)
        build = {
            "id": f"project:{len(self.builds)}",
            "buildStatus": "IN_PROGRESS",
            "startTime": len(self.builds),
            "environment": {"environmentVariables": request["environmentVariablesOverride"]},
        }
        self.builds.append(build)
        return {"build": build}

    def list_builds_for_project(self, **_: Any) -> dict[str, Any]:
        return {"ids": [build["id"] for build in reversed(self.builds)]}

    def batch_get_builds(self, ids: list[str]) -> dict[str, Any]:
        return {"builds": [build for build in self.builds if build["id"] in ids]}


@pytest.fixture
def aws(logic: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        clients = {name: boto3.client(name, region_name="us-east-1") for name in ("ecr", "s3", "logs")}
        clients["ecr"].create_repository(repositoryName="images")
        clients["s3"].create_bucket(Bucket="weights")
        yield logic.Clients(codebuild=FakeCodeBuild(), **clients)


def new_job(logic: ModuleType, *, stage: int = 0, fingerprint: str = "f1", kind: str = "image") -> Any:
    result = (
        {"repository": "images", "tag": f"0.5.23-{fingerprint}"}
        if kind == "image"
        else {"bucket": "weights", "manifest": "weights/Qwen/Qwen3-8B/abc/manifest.json"}
    )
    return logic.Job.parse(
        json.dumps(
            {
                "name": "serving image",
                "project": "project",
                "fingerprint": fingerprint,
                "stage": stage,
                "stages": 3,
                "stage_seconds": 3000,
                "source": "assets/content.zip",
                "variables": {"IMAGE_TAG": f"0.5.23-{fingerprint}"},
                "result": result,
            }
        )
    )


def push(aws: Any, tag: str) -> str:
    media_type = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = {"schemaVersion": 2, "mediaType": media_type, "layers": [{"digest": f"sha256:{tag}"}]}
    image = aws.ecr.put_image(repositoryName="images", imageManifest=json.dumps(manifest), imageTag=tag)
    return str(image["image"]["imageId"]["imageDigest"])


def test_a_missing_image_is_built_from_the_content_of_this_deployment(logic: ModuleType, aws: Any) -> None:
    data = logic.begin(aws, new_job(logic), token="r1", now=100)

    assert data == {"StageEnds": "3100", "BuildId": "project:0"}
    (start,) = aws.codebuild.started
    assert start["sourceLocationOverride"] == "assets/content.zip"
    assert {"name": "IMAGE_TAG", "value": "0.5.23-f1", "type": "PLAINTEXT"} in start["environmentVariablesOverride"]


def test_unchanged_content_builds_nothing_and_hands_over_the_digest(logic: ModuleType, aws: Any) -> None:
    digest = push(aws, "0.5.23-f1")

    data = logic.begin(aws, new_job(logic), token="r1", now=100)

    assert not aws.codebuild.started
    assert data["Digest"] == digest
    assert logic.check(aws, new_job(logic), start=data, now=101) == {"IsComplete": True, "Data": {"Digest": digest}}


def test_changed_content_is_a_new_digest(logic: ModuleType, aws: Any) -> None:
    first = push(aws, "0.5.23-f1")
    begun = logic.begin(aws, new_job(logic, fingerprint="f2"), token="r2", now=100)
    second = push(aws, "0.5.23-f2")

    answer = logic.check(aws, new_job(logic, fingerprint="f2"), start=begun, now=101)
    assert answer["Data"]["Digest"] == second != first


def test_a_build_of_the_same_content_that_runs_is_waited_for(logic: ModuleType, aws: Any) -> None:
    logic.begin(aws, new_job(logic), token="r1", now=100)

    again = logic.begin(aws, new_job(logic), token="r2", now=5000)

    assert len(aws.codebuild.started) == 1
    assert again["BuildId"] == "project:0"


def test_a_build_of_other_content_is_not_taken_for_ours(logic: ModuleType, aws: Any) -> None:
    logic.begin(aws, new_job(logic, fingerprint="other"), token="r1", now=100)

    assert logic.begin(aws, new_job(logic), token="r2", now=200)["BuildId"] == "project:1"


def test_an_event_delivered_twice_starts_one_build(logic: ModuleType, aws: Any) -> None:
    first = logic.begin(aws, new_job(logic), token="r1", now=100)
    aws.codebuild.builds[0]["environment"] = {}  # not listed yet
    second = logic.begin(aws, new_job(logic), token="r1", now=101)

    assert first["BuildId"] == second["BuildId"]


def test_a_failed_build_is_tried_again_by_the_next_deployment(logic: ModuleType, aws: Any) -> None:
    logic.begin(aws, new_job(logic), token="r1", now=100)
    aws.codebuild.builds[0]["buildStatus"] = "FAILED"

    assert logic.begin(aws, new_job(logic), token="r2", now=200)["BuildId"] == "project:1"


def test_waits_while_the_build_runs(logic: ModuleType, aws: Any) -> None:
    begun = logic.begin(aws, new_job(logic), token="r1", now=100)

    assert logic.check(aws, new_job(logic), start=begun, now=3000) == {"IsComplete": False}


def test_a_stage_that_is_over_leaves_the_build_to_the_next(logic: ModuleType, aws: Any) -> None:
    begun = logic.begin(aws, new_job(logic), token="r1", now=100)
    assert logic.check(aws, new_job(logic), start=begun, now=3101)["IsComplete"] is True

    second = logic.begin(aws, new_job(logic, stage=1), token="r2", now=3101)
    assert second == {"StageEnds": "6101", "BuildId": "project:0"}
    assert len(aws.codebuild.started) == 1


def test_a_build_that_failed_between_two_stages_fails_the_second_and_is_not_started_again(
    logic: ModuleType, aws: Any
) -> None:
    logic.begin(aws, new_job(logic), token="r1", now=100)
    aws.codebuild.builds[0]["buildStatus"] = "FAILED"
    begun = logic.begin(aws, new_job(logic, stage=1), token="r2", now=3101)

    with pytest.raises(logic.JobError, match="build project:0 ended as FAILED"):
        logic.check(aws, new_job(logic, stage=1), start=begun, now=3102)
    assert len(aws.codebuild.started) == 1


def test_the_last_stage_says_how_to_go_on(logic: ModuleType, aws: Any) -> None:
    last = new_job(logic, stage=2)
    begun = logic.begin(aws, last, token="r1", now=100)

    with pytest.raises(logic.JobError) as caught:
        logic.check(aws, last, start=begun, now=3101)
    assert str(caught.value) == (
        "serving image: build project:0 still runs after 150 minutes; it goes on, so deploy again to wait for it, "
        "or allow it more time"
    )


def test_a_failed_build_fails_the_deployment_with_phase_and_end_of_the_log(logic: ModuleType, aws: Any) -> None:
    aws.logs.create_log_group(logGroupName="/builds")
    aws.logs.create_log_stream(logGroupName="/builds", logStreamName="one")
    lines = [f"step {index}: {'x' * 100}\n" for index in range(50)] + [
        "\x1b[91merror: no space left on device\x1b[0m\n"
    ]
    aws.logs.put_log_events(
        logGroupName="/builds",
        logStreamName="one",
        logEvents=[{"timestamp": int(time.time() * 1000) + index, "message": line} for index, line in enumerate(lines)],
    )
    begun = logic.begin(aws, new_job(logic), token="r1", now=100)
    aws.codebuild.builds[0] |= {
        "buildStatus": "FAILED",
        "phases": [
            {"phaseType": "SUBMITTED", "phaseStatus": "SUCCEEDED"},
            {"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{"message": "exit status 1"}]},
        ],
        "logs": {"groupName": "/builds", "streamName": "one"},
    }

    with pytest.raises(logic.JobError) as caught:
        logic.check(aws, new_job(logic), start=begun, now=101)
    message = str(caught.value)
    assert message.startswith(
        "serving image: build project:0 ended as FAILED in BUILD: exit status 1; the end of its log:\n"
    )
    assert message.endswith("\nerror: no space left on device")
    assert len(message) < 2000


def test_a_log_that_cannot_be_read_does_not_hide_the_failure(logic: ModuleType, aws: Any) -> None:
    begun = logic.begin(aws, new_job(logic), token="r1", now=100)
    aws.codebuild.builds[0] |= {"buildStatus": "TIMED_OUT", "logs": {"groupName": "/gone", "streamName": "one"}}

    with pytest.raises(logic.JobError, match="ended as TIMED_OUT; its log cannot be read: ResourceNotFoundException"):
        logic.check(aws, new_job(logic), start=begun, now=101)


def test_a_build_that_succeeds_without_an_image_fails(logic: ModuleType, aws: Any) -> None:
    begun = logic.begin(aws, new_job(logic), token="r1", now=100)
    aws.codebuild.builds[0]["buildStatus"] = "SUCCEEDED"

    with pytest.raises(logic.JobError, match=r"succeeded but left no image images:0\.5\.23-f1"):
        logic.check(aws, new_job(logic), start=begun, now=101)


def test_a_lost_race_for_an_immutable_tag_is_a_success(logic: ModuleType, aws: Any) -> None:
    begun = logic.begin(aws, new_job(logic), token="r1", now=100)
    aws.codebuild.builds[0]["buildStatus"] = "FAILED"  # ImageTagAlreadyExistsException: another stack was first
    digest = push(aws, "0.5.23-f1")

    assert logic.check(aws, new_job(logic), start=begun, now=101)["Data"] == {"Digest": digest}


def test_the_physical_id_does_not_follow_the_content(logic: ModuleType) -> None:
    assert new_job(logic).physical_id == new_job(logic, fingerprint="f2").physical_id
    assert new_job(logic).physical_id != new_job(logic, stage=1).physical_id


RECORD: dict[str, Any] = {
    "format": 1,
    "repo": "Qwen/Qwen3-8B",
    "revision": "abc",
    "files": [{"path": "config.json", "bytes": 10}, {"path": "model.safetensors", "bytes": 1000}],
}


def put_record(aws: Any, *, sizes: dict[str, int] | None = None, body: str | None = None, **more: Any) -> None:
    """Put a record, and files of these sizes; those it names by default."""
    prefix = "weights/Qwen/Qwen3-8B/abc/"
    for name, size in ({"config.json": 10, "model.safetensors": 1000} if sizes is None else sizes).items():
        aws.s3.put_object(Bucket="weights", Key=f"{prefix}{name}", Body=bytes(size))
    text = json.dumps(RECORD) if body is None else body
    aws.s3.put_object(Bucket="weights", Key=f"{prefix}manifest.json", Body=text, **more)


@pytest.mark.parametrize(
    "record",
    [
        {"Metadata": {"cdk-sglang-hash": "git-sha1:0"}},
        {"body": "{"},
        {"body": "[]"},
        {"body": json.dumps(RECORD | {"format": 2})},
        {"body": json.dumps(RECORD | {"files": []})},
        {"body": json.dumps(RECORD | {"files": [{"path": "config.json"}]})},
        {"body": json.dumps(RECORD | {"repo": "Qwen/Other"})},
        {"body": json.dumps(RECORD | {"revision": "def"})},
        {"sizes": {"config.json": 10}},
        {"sizes": {"config.json": 10, "model.safetensors": 999}},
    ],
    ids=[
        "a file of the hub",
        "no JSON",
        "no object",
        "another format",
        "no files",
        "no sizes",
        "another model",
        "another revision",
        "a file is missing",
        "a file is short",
    ],
)
def test_a_record_is_believed_only_where_it_is_that_of_what_is_there(
    logic: ModuleType, aws: Any, record: dict[str, Any]
) -> None:
    put_record(aws, **record)

    assert "BuildId" in logic.begin(aws, new_job(logic, kind="weights"), token="r1", now=100)


def test_both_programs_have_the_same_record(logic: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = importlib.import_module("weights.manifest")

    assert (logic._HUB_FILE, logic._MANIFEST_FORMAT) == (manifest.HASH_KEY, manifest.FORMAT)
    for name in [name for name in sys.modules if name == "weights" or name.startswith("weights.")]:
        del sys.modules[name]


def test_a_manifest_ends_the_staging_of_weights(logic: ModuleType, aws: Any) -> None:
    job = new_job(logic, kind="weights")
    begun = logic.begin(aws, job, token="r1", now=100)
    assert logic.check(aws, job, start=begun, now=101) == {"IsComplete": False}

    put_record(aws)

    assert logic.check(aws, job, start=begun, now=102) == {"IsComplete": True, "Data": {"Bytes": "1010"}}
    assert logic.begin(aws, job, token="r2", now=200)["Bytes"] == "1010"


def test_deleting_leaves_image_and_weights(logic: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DEFAULT_REGION": "us-east-1",
        "ACCESS_KEY_ID": "testing",
        "SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    handler = importlib.import_module("build_jobs.handler")
    event = {
        "RequestType": "Delete",
        "RequestId": "r1",
        "PhysicalResourceId": "project/serving image/0",
        "ResourceProperties": {"Asked": new_job(logic).text},
    }

    assert handler.on_event(event, None) == {"PhysicalResourceId": "project/serving image/0"}
    assert handler.is_complete(event, None) == {"IsComplete": True}
