"""`cdk-sglang doctor` where it may not look, cannot reach, or nothing is deployed yet."""

from __future__ import annotations

import json

import pytest

from cdk_sglang.cli.doctor import weights as weights_checks
from cdk_sglang.cli.weights import UnreadableWeightsError
from localcloud.aws import faults
from tests.support.doctor import ACCOUNT, World

TOPIC = f"topic: us-east-1:{ACCOUNT}:told"
DENIED: list[dict[str, set[str]]] = [
    {
        "ssm:GetParameter": {
            "bootstrap",
            "key: environment",
            "weights: weights/llama/",
            "weights: adapters/triage.tar.gz",
        },
        "iam:SimulatePrincipalPolicy": {"permissions: you", "permissions: CloudFormation"},
        "iam:GetRole": {"service-linked role: scaling"},
        "cloudformation:DescribeStacks": {"stacks"},
        "cloudformation:ListStackResources": {
            "names: chat",
            "names: reserved",
            "names: log groups",
            "names: image repository",
            "network: quota of VPCs",
        },
        "servicequotas:ListServiceQuotas": {"quota: ml.g6e.12xlarge", "quota: all endpoints", "quota: one endpoint"},
        "sagemaker:DescribeTrainingPlan": {"training plan: reserved"},
        "ec2:DescribeInstanceTypeOfferings": {"zones: ml.g6e.12xlarge", "zones: ml.p5en.48xlarge"},
        "ec2:DescribeVpcEndpointServices": {"network: interface endpoints"},
        "ecr:BatchGetImage": {"image: mine"},
        "secretsmanager:DescribeSecret": {"secret: hub-token"},
        "sns:GetTopicAttributes": {TOPIC},
        "cloudwatch:GetOTelEnrichment": {"OTel enrichment"},
    },
    {
        "sagemaker:DescribeEndpoint": {"names: chat", "names: reserved"},
        "sagemaker:ListEndpoints": {"quota: ml.g6e.12xlarge", "quota: all endpoints"},
        "logs:DescribeLogGroups": {"names: log groups"},
        "kms:DescribeKey": {"key: environment"},
        "ec2:DescribeVpcs": {"network: quota of VPCs"},
    },
]
"""Actions with the lines that need them; two rounds, since some lines need several."""


@pytest.mark.parametrize("denied", DENIED, ids=["first", "second"])
def test_a_missing_permission_is_named_in_each_line_that_needs_it_and_never_ok(
    ready: World, monkeypatch: pytest.MonkeyPatch, denied: dict[str, set[str]]
) -> None:
    monkeypatch.setattr(weights_checks, "problems_below", lambda *_, **__: ())
    for action in denied:
        faults.inject("access-denied", target=action)
    others = ready.others()
    assert {one["outcome"] for one in others.values()} == {"could not check"}
    assert {name: (one["text"], one["next_step"]) for name, one in others.items()} == {
        name: (f"{action} is denied", f"ask whoever grants permissions for {action}")
        for action, names in denied.items()
        for name in names
    }


def test_without_any_permission_no_line_that_reads_the_account_is_ok(
    ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_checks, "problems_below", lambda *_, **__: ())
    faults.inject("access-denied")
    done = ready.run("--json")
    found = {one["name"]: one["outcome"] for one in json.loads(done.stdout)["checks"]}
    # S3 is not covered by the fault.
    fine = {name for name, outcome in found.items() if outcome == "ok"}
    assert fine == {"image: lmsysorg/sglang:v0.5.23-cu130@bbbbbbbbbbbb", "Hugging Face: Qwen/Qwen3-8B", "plan", "budget",
                    "weights: s3://models/mine/", "bucket: models", "key: s3://models"}  # fmt: skip
    assert {outcome for name, outcome in found.items() if name not in fine} == {"could not check"}
    assert done.exit_code == 0, "nothing failed, and nothing is called ok"
    assert "Traceback" not in done.output


def test_credentials_that_are_refused_are_no_traceback(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_checks, "problems_below", lambda *_, **__: ())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    found = ready.findings()
    assert found["identity"]["outcome"] == "could not check"
    assert found["quota: ml.g6e.12xlarge"]["outcome"] == "could not check"
    assert found["budget"]["outcome"] == "ok", "needs no credentials"


def test_weights_that_may_not_be_read_could_not_be_checked(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(bucket: str, prefix: str, *, region: str | None) -> tuple[str, ...]:
        raise UnreadableWeightsError(f"s3://{bucket}/{prefix} could not be read: AccessDenied in {region}")

    monkeypatch.setattr(weights_checks, "problems_below", refuse)
    others = ready.others()
    assert {one["outcome"] for one in others.values()} == {"could not check"}
    assert set(others) == {"weights: weights/llama/", "weights: s3://models/mine/"}
    assert "s3:ListBucket and s3:GetObject" in others["weights: weights/llama/"]["next_step"]


def test_offline_hugging_face_and_docker_hub_could_not_be_checked(
    ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_checks, "problems_below", lambda *_, **__: ())
    nowhere = "http://127.0.0.1:9"
    done = ready.run("--json", "--hub-url", nowhere, "--registry-url", nowhere)
    others = {one["name"]: one for one in json.loads(done.stdout)["checks"] if one["outcome"] != "ok"}
    assert {name: one["outcome"] for name, one in others.items()} == {
        "image: lmsysorg/sglang:v0.5.23-cu130@bbbbbbbbbbbb": "could not check",
        "Hugging Face: Qwen/Qwen3-8B": "could not check",
    }
    assert "127.0.0.1:9 was not reached" in others["Hugging Face: Qwen/Qwen3-8B"]["text"]


def test_before_a_first_deployment_what_the_foundation_makes_is_no_failure(ready: World) -> None:
    ready.client("cloudformation").delete_stack(StackName="cdk-sglang-prod-foundation")
    for name in ("key-arn", "weights-bucket"):
        ready.client("ssm").delete_parameter(Name=f"/cdk-sglang/prod/{name}")
    found = ready.findings()
    assert {name: one["outcome"] for name, one in found.items() if one["outcome"] != "ok"} == {
        "weights: weights/llama/": "warning",
        "weights: adapters/triage.tar.gz": "warning",
    }
    assert found["weights: weights/llama/"]["next_step"] == (
        "cdk-sglang deploy --env prod deploys it, and waits until they are uploaded"
    )
    assert found["stacks"]["text"] == "0 can be updated, 7 are new"


def test_a_quota_that_is_too_low_comes_with_the_command_that_raises_it(
    ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_checks, "problems_below", lambda *_, **__: ())
    faults.inject("endpoint-quota-zero", target="ml.g6e.12xlarge")
    assert ready.findings()["quota: ml.g6e.12xlarge"]["next_step"] == (
        "request 2: aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code L-60313EA3 "
        "--desired-value 2 --region us-east-1"
    )


def test_no_secret_is_ever_read(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_checks, "problems_below", lambda *_, **__: ())
    faults.inject("access-denied", target="secretsmanager:GetSecretValue")
    done = ready.run("--json")
    assert done.exit_code == 0
    assert "hf_never_read" not in done.output
    assert ready.others() == {}


def test_conditions_that_cannot_be_simulated_are_named(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_checks, "problems_below", lambda *_, **__: ())
    ready.allow(
        {"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": "*",
            "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        },
    )
    others = ready.others()
    assert {name: one["outcome"] for name, one in others.items()} == {"permissions: CloudFormation": "warning"}
    assert "under conditions that cannot be simulated: iam:PassRole" in others["permissions: CloudFormation"]["text"]


def test_without_a_region_nothing_is_looked_at(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(ready.folder / "none"))
    path = ready.folder / "prod.yaml"
    path.write_text(path.read_text().replace("region: us-east-1\n", ""))
    done = ready.run()
    assert done.exit_code == 2
    assert "no AWS Region; give --region, or set AWS_REGION" in done.stderr
