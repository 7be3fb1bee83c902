from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.assertions import Match, Template

from cdk_sglang import (
    Capacity,
    ConfigurationError,
    ContainerBase,
    InferenceEndpoint,
    ModelSource,
    ServingImage,
    SglangDlc,
)
from cdk_sglang.assets import find_folder
from cdk_sglang.serving.image.build import _BUILDKIT, _SCRIPT, ServingImageBuild
from tests.support.policies import policies_of

PINNED = ContainerBase.upstream(digest=f"sha256:{'a' * 64}")


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "container"
    (folder / "entry").mkdir(parents=True)
    (folder / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")
    (folder / "entry" / "main.py").write_text("print('serve')\n")
    return folder


def synth(content: Path, *, endpoints: int = 1, base: ContainerBase = PINNED, region: str = "us-east-1") -> Template:
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(region=region, account="111122223333"))
    repository = ecr.Repository(stack, "Images")
    for index in range(endpoints):
        endpoint = InferenceEndpoint(
            stack,
            f"Chat{index}",
            capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
            image=ServingImage.from_build(repository=repository, source=content, base=base),
            endpoint_name=f"prod-chat{index}",
        )
        endpoint.add_component("llama", model=ModelSource.from_s3("s3://models/llama/"))
    return Template.from_stack(stack)


def jobs(template: Template) -> list[dict[str, Any]]:
    found = template.find_resources("Custom::CdkSglangBuild").values()
    texts = []
    for resource in found:
        parts = resource["Properties"]["Asked"]["Fn::Join"][1]
        texts.append(json.loads("".join(part if isinstance(part, str) else "TOKEN" for part in parts)))
    return sorted(texts, key=lambda job: int(job["stage"]))


def test_the_model_takes_the_image_by_the_digest_that_the_build_hands_over(content: Path) -> None:
    template = synth(content)

    ((_, model),) = template.find_resources("AWS::SageMaker::Model").items()
    parts = model["Properties"]["PrimaryContainer"]["Image"]["Fn::Join"][1]
    assert parts[-2] == "@"
    assert parts[-1]["Fn::GetAtt"][1] == "Digest"
    last = [key for key in template.find_resources("Custom::CdkSglangBuild") if "Built3" in key]
    assert parts[-1]["Fn::GetAtt"][0] == last[0]


def test_waiting_is_a_chain_of_resources_that_each_fit_cloudformations_hour(content: Path) -> None:
    found = jobs(synth(content))

    assert [job["stage"] for job in found] == [0, 1, 2, 3]
    assert {job["stages"] for job in found} == {4}
    assert {job["stage_seconds"] for job in found} == {3000}


def test_the_tag_follows_the_content_and_nothing_else(content: Path) -> None:
    def tag() -> str:
        return str(jobs(synth(content))[0]["result"]["tag"])

    first = tag()
    (content / "__pycache__").mkdir()
    (content / "__pycache__" / "main.cpython-311.pyc").write_bytes(b"noise")
    assert tag() == first
    assert str(jobs(synth(content, region="eu-west-1"))[0]["result"]["tag"]) == first
    (content / "entry" / "main.py").write_text("print('serve better')\n")
    assert tag() != first


def test_another_base_is_another_tag(content: Path) -> None:
    pinned = ContainerBase.upstream(digest=f"sha256:{'b' * 64}")

    assert jobs(synth(content))[0]["fingerprint"] != jobs(synth(content, base=pinned))[0]["fingerprint"]
    assert (
        jobs(synth(content, base=pinned))[0]["variables"]["BASE_IMAGE"]
        == f"lmsysorg/sglang:v0.5.23-cu130@sha256:{'b' * 64}"
    )


def test_changed_content_updates_the_build_rather_than_replacing_it(content: Path) -> None:
    before = set(synth(content).find_resources("Custom::CdkSglangBuild"))
    (content / "entry" / "main.py").write_text("changed\n")

    assert set(synth(content).find_resources("Custom::CdkSglangBuild")) == before


def test_endpoints_of_one_stack_share_a_build(content: Path) -> None:
    template = synth(content, endpoints=3)

    template.resource_count_is("AWS::CodeBuild::Project", 1)
    template.resource_count_is("AWS::SageMaker::Model", 3)


def test_the_build_may_push_to_one_repository_and_read_one_archive(content: Path) -> None:
    template = synth(content)
    role = next(key for key in template.find_resources("AWS::IAM::Role") if "Project" in key)
    policy = next(
        policy for policy in policies_of(template).values() if policy["Properties"]["Roles"] == [{"Ref": role}]
    )
    statements = policy["Properties"]["PolicyDocument"]["Statement"]

    assert {action for statement in statements if statement["Resource"] == "*" for action in _actions(statement)} == {
        "ecr:GetAuthorizationToken"
    }
    assert all(
        "s3" not in action or ".zip" in str(statement["Resource"])
        for statement in statements
        for action in _actions(statement)
    )


def _actions(statement: dict[str, Any]) -> list[str]:
    return [statement["Action"]] if isinstance(statement["Action"], str) else list(statement["Action"])


def test_the_build_machine_has_docker_and_room_for_the_base(content: Path) -> None:
    synth(content).has_resource_properties(
        "AWS::CodeBuild::Project",
        {"Environment": Match.object_like({"PrivilegedMode": True, "ComputeType": "BUILD_GENERAL1_LARGE"})},
    )


def test_awss_container_as_a_base_comes_from_the_registry_of_the_region(content: Path) -> None:
    template = synth(content, base=ContainerBase.dlc(SglangDlc.V0_5_17_UBUNTU, unpinned="AWS patches it"))

    job = jobs(template)[0]
    assert job["variables"]["BASE_IMAGE"].startswith("763104351884.dkr.ecr.us-east-1.")
    assert job["variables"]["BASE_IMAGE"].endswith("/sglang:0.5.17-gpu-py312-cu130-ubuntu24.04-sagemaker")
    assert "763104351884:repository/sglang" in str(policies_of(template))


def test_a_base_digest_must_be_one() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ContainerBase.upstream(digest="latest")
    assert str(caught.value) == "base.digest: 'latest' is not a digest; use 'sha256:' and 64 hexadecimal digits"


@pytest.mark.parametrize("make", [ContainerBase.upstream, ContainerBase.dlc])
def test_a_base_that_may_move_is_refused_without_a_reason(make: Callable[..., ContainerBase]) -> None:
    for wrong in ({}, {"digest": f"sha256:{'a' * 64}", "unpinned": "why not"}):
        with pytest.raises(ConfigurationError, match="give exactly one of digest"):
            make(**wrong)
    with pytest.raises(ConfigurationError, match="unpinned: is empty; say why"):
        make(unpinned=" ")
    assert "@" not in make(unpinned="a sandbox that is rebuilt every night").name


def test_a_digest_that_is_known_at_deployment_stays_a_digest(content: Path) -> None:
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(region="us-east-1", account="111122223333"))
    digest = cdk.CfnParameter(stack, "Digest").value_as_string
    image = ServingImage.from_repository(
        ecr.Repository(stack, "Images"), digest=digest, cuda="13.0", sglang_version="0.5.23"
    )
    endpoint = InferenceEndpoint(
        stack,
        "Chat",
        capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
        image=image,
        endpoint_name="chat",
    )
    endpoint.add_component("llama", model=ModelSource.from_s3("s3://models/llama/"))

    ((_, model),) = Template.from_stack(stack).find_resources("AWS::SageMaker::Model").items()
    assert model["Properties"]["PrimaryContainer"]["Image"]["Fn::Join"][1][-2:] == ["@", {"Ref": "Digest"}]


def test_a_shipped_folder_that_is_missing_names_both_places() -> None:
    with pytest.raises(
        FileNotFoundError,
        match=r"no nowhere folder with a Dockerfile at .*_nowhere \(wheel\) nor at .*nowhere \(checkout\)",
    ):
        find_folder("nowhere", holds="Dockerfile")


FAKE = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in
  *describe-images*"--output json"*) if [ -n "$LAST" ]; then echo "\\"$LAST\\""; else echo null; fi ;;
  *describe-images*) printf 'None\\n%s\\n' "$LAST" ;; # as text, the CLI asks each page by itself
  *get-secret-value*) echo '"{\\"username\\": \\"fleet\\", \\"password\\": \\"dckr_pat\\"}"' ;;
  *"docker login"*|"login "*) cat >> "$CALLS.stdin" ;;
  "pull "*) exit "${PULL_EXIT:-0}" ;;
  *"--sbom=true"*) exit "${SBOM_EXIT:-0}" ;;
  *"buildx build"*) exit "${BUILD_EXIT:-0}" ;;
esac
"""


def run_script(tmp_path: Path, **environment: str) -> tuple[int, list[str]]:
    """Run what CodeBuild runs, with a Docker and an AWS CLI that only write down how they were called."""
    for name in ("aws", "docker"):
        (tmp_path / name).write_text(FAKE)
        (tmp_path / name).chmod(stat.S_IRWXU)
    calls = tmp_path / "calls"
    done = subprocess.run(
        ["bash", "-c", _SCRIPT],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "CALLS": str(calls),
            "REGISTRIES": "111122223333.dkr.ecr.us-east-1.amazonaws.com 763104351884.dkr.ecr.us-east-1.amazonaws.com",
            "REPOSITORY": "images",
            "IMAGE": "111122223333.dkr.ecr.us-east-1.amazonaws.com/images",
            "IMAGE_TAG": "0.5.23-f1",
            "BASE_IMAGE": "lmsysorg/sglang:v0.5.23",
            "CDK_SGLANG_FINGERPRINT": "f1",
            "BUILDKIT_IMAGE": _BUILDKIT,
            "LAST": "",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, calls.read_text().splitlines()


def test_the_script_signs_in_builds_and_pushes_without_attestations(tmp_path: Path) -> None:
    code, calls = run_script(tmp_path)

    assert code == 0
    assert sum("docker login" in call for call in calls) == 2
    build = next(call for call in calls if "buildx build" in call)
    assert "--platform linux/amd64" in build
    assert "--build-arg BASE_IMAGE=lmsysorg/sglang:v0.5.23" in build
    assert "--provenance=false --sbom=false" in build
    assert "name=111122223333.dkr.ecr.us-east-1.amazonaws.com/images:0.5.23-f1,push=true,oci-mediatypes=false" in build
    assert "--cache-from" not in build


def test_the_script_takes_the_last_image_as_its_cache(tmp_path: Path) -> None:
    _, calls = run_script(tmp_path, LAST="0.5.23-f0")

    assert "--cache-from type=registry,ref=111122223333.dkr.ecr.us-east-1.amazonaws.com/images:0.5.23-f0" in str(calls)


def test_the_builder_comes_from_ecr_and_only_without_it_from_docker_hub(tmp_path: Path) -> None:
    _, calls = run_script(tmp_path)
    (create,) = (call for call in calls if "buildx create" in call)
    assert create.endswith(f"--driver-opt image={_BUILDKIT}")
    assert re.fullmatch(r"public\.ecr\.aws/vend/moby/buildkit@sha256:[0-9a-f]{64}", _BUILDKIT)
    assert "syntax=" not in (find_folder("container", holds="Dockerfile") / "Dockerfile").read_text().partition("\n")[0]


def test_a_mirror_that_does_not_answer_is_asked_three_times_and_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    (tmp_path / "sleep").chmod(stat.S_IRWXU)
    code, calls = run_script(tmp_path, PULL_EXIT="1")
    assert code == 0
    assert sum("docker pull" in call for call in calls) == 3
    (create,) = (call for call in calls if "buildx create" in call)
    assert create.endswith(f"--driver-opt image=moby/buildkit@{_BUILDKIT.partition('@')[2]}"), "the same digest"


def test_credentials_for_docker_hub_reach_docker_and_no_command_line(tmp_path: Path) -> None:
    code, calls = run_script(tmp_path, DOCKER_HUB_SECRET="arn:aws:secretsmanager:us-east-1:111122223333:secret:hub")
    assert code == 0
    assert "docker login --username fleet --password-stdin" in calls
    assert "dckr_pat" not in str(calls)
    assert "dckr_pat" in (tmp_path / "calls.stdin").read_text()


def test_a_build_with_credentials_may_read_them_and_use_their_key(content: Path) -> None:
    stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(region="us-east-1", account="111122223333"))
    key = "arn:aws:kms:us-east-1:111122223333:key/0e1c0a5e-0000-4000-8000-000000000000"
    hub = secretsmanager.Secret.from_secret_attributes(
        stack,
        "Hub",
        secret_complete_arn="arn:aws:secretsmanager:us-east-1:111122223333:secret:hub-AbCdEf",
        encryption_key=kms.Key.from_key_arn(stack, "Key", key),
    )
    ServingImageBuild(
        stack, "Build", repository=ecr.Repository(stack, "Images"), base=PINNED, source=content, docker_hub=hub
    )
    policies = policies_of(Template.from_stack(stack)).values()
    statements = [s for p in policies for s in p["Properties"]["PolicyDocument"]["Statement"]]
    assert [s["Resource"] for s in statements if s["Action"] == "kms:Decrypt"] == [key]
    assert any("secretsmanager:GetSecretValue" in s["Action"] for s in statements)


def test_the_script_fails_with_the_build(tmp_path: Path) -> None:
    code, calls = run_script(tmp_path, BUILD_EXIT="1")

    assert code == 1
    assert not any("sbom-" in call and "build" in call and "--sbom=true" in call for call in calls)


def test_an_image_without_a_bill_of_materials_is_still_an_image(tmp_path: Path) -> None:
    code, calls = run_script(tmp_path, SBOM_EXIT="1")

    assert code == 0
    assert "images:sbom-0.5.23-f1,push=true" in calls[-1]
