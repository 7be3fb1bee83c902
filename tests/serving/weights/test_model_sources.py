from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.assertions import Template

from cdk_sglang import Capacity, ConfigurationError, InferenceEndpoint, ModelSource, NoVerification, ServingImage
from cdk_sglang.serving.weights.staging import _SCRIPT
from tests.support.policies import policies_of

REPO, REVISION = "meta-llama/Llama-3.2-3B-Instruct", "0cb88a4f764b7a12671c53f0838cd831a0843b95"


def fleet(*sources: Callable[[cdk.Stack, s3.IBucket], ModelSource]) -> Template:
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(region="us-east-1", account="111122223333"))
    bucket = s3.Bucket(stack, "Weights", encryption=s3.BucketEncryption.KMS)
    endpoint = InferenceEndpoint(
        stack,
        "Chat",
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=4),
        image=ServingImage.from_dlc(),
        endpoint_name="prod-chat",
        verification=NoVerification(reason="its functions are not what is counted here"),
    )
    for index, source in enumerate(sources):
        endpoint.add_component(f"m{index}", model=source(stack, bucket))
    return Template.from_stack(stack)


def requests_of(template: Template, kind: str) -> list[dict[str, Any]]:
    return [json.loads(_flat(found["Properties"]["Asked"])) for found in template.find_resources(kind).values()]


def _flat(text: Any) -> str:
    if isinstance(text, str):
        return text
    return "".join(part if isinstance(part, str) else "TOKEN" for part in text["Fn::Join"][1])


def hub(stack: cdk.Stack, bucket: s3.IBucket, **options: Any) -> ModelSource:
    return ModelSource.from_hugging_face(REPO, revision=REVISION, bucket=bucket, **options)


@pytest.fixture(scope="module")
def staged() -> Template:
    def source(stack: cdk.Stack, bucket: s3.IBucket) -> ModelSource:
        found = stack.node.try_find_child("Hub")
        secret = found if found is not None else secretsmanager.Secret(stack, "Hub")
        assert isinstance(secret, secretsmanager.Secret)
        return hub(stack, bucket, token=secret, exclude=["*.md"])

    return fleet(source, source)


def test_a_staged_model_is_served_from_its_own_prefix(staged: Template) -> None:
    model = next(iter(staged.find_resources("AWS::SageMaker::Model").values()))

    uri = model["Properties"]["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"]
    assert uri["Fn::Join"][1][-1] == f"/weights/{REPO}/{REVISION}/"


def test_models_wait_until_theirs_is_staged(staged: Template) -> None:
    last = max(staged.find_resources("Custom::CdkSglangBuild"))
    for model in staged.find_resources("AWS::SageMaker::Model").values():
        assert any(dependency[:-9] == last[:-9] for dependency in model["DependsOn"])


def test_two_components_of_one_model_stage_it_once(staged: Template) -> None:
    jobs = requests_of(staged, "Custom::CdkSglangBuild")

    assert sorted(job["stage"] for job in jobs) == [0, 1, 2, 3, 4, 5]
    assert jobs[0]["variables"]["REPO"] == REPO
    assert jobs[0]["variables"]["PATTERNS"] == "--exclude=*.md"
    assert jobs[0]["result"]["patterns"] == {"include": [], "exclude": ["*.md"]}


def test_the_token_is_a_secrets_arn_and_nothing_else(staged: Template) -> None:
    variables = requests_of(staged, "Custom::CdkSglangBuild")[0]["variables"]

    assert variables["TOKEN_SECRET"] == "TOKEN"
    assert "secretsmanager:GetSecretValue" in str(policies_of(staged))
    assert "resolve:secretsmanager" not in json.dumps(staged.to_json())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"revision": "main"},
            "model.revision: 'main' can move, so that two deployments would serve different weights; use the 40",
        ),
        (
            {"repo": "llama"},
            "model.hugging_face: 'llama' is not a model of Hugging Face; use owner/name, such as Qwen/Qwen3-8B",
        ),
        (
            {"token": "hf_abcdefghijklmnopqrstuvwxyz"},
            "model.token: got text; a token in a template or an environment is readable",
        ),
        ({"exclude": ["a b"]}, "model.exclude: 'a b' is not a pattern of file names"),
    ],
)
def test_what_is_refused_before_anything_is_made(options: dict[str, Any], message: str) -> None:
    stack = cdk.Stack(cdk.App(), "Fleet")
    arguments = {"repo": REPO, "revision": REVISION, "bucket": s3.Bucket(stack, "Weights"), **options}
    repo = arguments.pop("repo")

    with pytest.raises(ConfigurationError) as caught:
        ModelSource.from_hugging_face(repo, **arguments)
    assert str(caught.value).startswith(message)
    assert "hf_abc" not in str(caught.value)


def test_weights_in_s3_are_checked_before_the_model_is_made() -> None:
    template = fleet(
        lambda _, bucket: ModelSource.from_bucket(bucket, "llama/", weights_size=cdk.Size.gibibytes(6)),
        lambda _, __: ModelSource.from_s3("s3://elsewhere/qwen/"),
    )

    ((name, resource),) = template.find_resources("Custom::CdkSglangWeights").items()
    checks = [json.loads(_flat(text)) for text in resource["Properties"]["Models"]]
    assert {(check["prefix"], check.get("expected_bytes")) for check in checks} == {
        ("llama/", 6 * 2**30),
        ("qwen/", None),
    }
    for model in template.find_resources("AWS::SageMaker::Model").values():
        assert name in model["DependsOn"]


def test_one_prefix_is_checked_once() -> None:
    template = fleet(*(lambda _, __: ModelSource.from_s3("s3://elsewhere/qwen/") for _ in range(3)))

    ((_, resource),) = template.find_resources("Custom::CdkSglangWeights").items()
    assert len(resource["Properties"]["Models"]) == 1


def test_the_check_can_be_left_out() -> None:
    template = fleet(lambda _, __: ModelSource.from_s3("s3://elsewhere/qwen/", check=False))

    template.resource_count_is("Custom::CdkSglangWeights", 0)
    template.resource_count_is("AWS::Lambda::Function", 0)


def test_a_token_that_is_no_secret_is_refused_beside_all_other_mistakes() -> None:
    stack = cdk.Stack(cdk.App(), "Fleet")
    with pytest.raises(ConfigurationError) as caught:
        ModelSource.from_hugging_face("llama", revision="main", bucket=s3.Bucket(stack, "Weights"), token="hf_x")
    assert [problem.path for problem in caught.value.problems] == [
        "model.hugging_face",
        "model.revision",
        "model.token",
    ]


FAKE = """#!/usr/bin/env bash
for argument in "$0" "$@"; do printf '%s\\n' "$argument"; done >> "$CALLS"
"""


def test_the_build_hands_patterns_over_as_they_are(tmp_path: Path) -> None:
    """Run what CodeBuild runs, with a Python that only writes down how it was called, where patterns would match files."""
    (tmp_path / "python3").write_text(
        f"{FAKE}mkdir -p {tmp_path}/stager/bin; cp -n {tmp_path}/python3 {tmp_path}/stager/bin/python\n"
        f"cp -n {tmp_path}/python3 {tmp_path}/stager/bin/pip\n"
    )
    (tmp_path / "python3").chmod(stat.S_IRWXU)
    (tmp_path / "README.md").touch()
    script = _SCRIPT.replace("/tmp/stager", str(tmp_path / "stager"))

    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "CALLS": str(tmp_path / "calls"),
            "REPO": REPO,
            "REVISION": REVISION,
            "BUCKET": "models",
            "TOKEN_SECRET": "",
            "PATTERNS": "--exclude=*.md --include=original/*",
        },
        check=False,
    )

    assert done.returncode == 0
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[-10:] == [
        "-m", "weights", "stage", REPO, "--revision", REVISION, "--bucket", "models", "--exclude=*.md", "--include=original/*",
    ]  # fmt: skip
