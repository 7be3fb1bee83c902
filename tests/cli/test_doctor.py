"""`cdk-sglang doctor` against the embedded AWS: everything right, one thing wrong at a time, and permissions that are missing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

from cdk_sglang.cli.doctor import weights as weights_checks
from localcloud.aws import faults
from tests.localcloud.helpers import ROLE, any_endpoint, eventually, variant
from tests.support.doctor import ACCOUNT, ASSETS, BUCKET, EVERYTHING, SCALING_ROLE, World
from tests.support.model_folders import ONE, WHOLE

OTHER_DIGEST = f"sha256:{'0' * 64}"


def test_everything_right_is_all_ok(ready: World) -> None:
    done = ready.run()
    assert done.exit_code == 0, done.output
    assert ready.others() == {}
    assert "nothing that was checked would make a deployment fail" in done.stdout


def test_what_the_environments_own_stacks_hold_is_no_clash(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_checks, "problems_below", lambda *_, **__: ())
    config = {"EndpointConfigName": "prod-chat-1", "ExecutionRoleArn": ROLE, "ProductionVariants": [variant()]}
    endpoint = {"EndpointName": "prod-chat", "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]}}
    resources = {
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/sagemaker/Endpoints/prod-chat"}},
        "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": config},
        "Endpoint": {"Type": "AWS::SageMaker::Endpoint", "Properties": endpoint},
    }
    cloudformation = ready.client("cloudformation")
    cloudformation.create_stack(StackName="cdk-sglang-prod-chat", TemplateBody=json.dumps({"Resources": resources}))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="cdk-sglang-prod-chat", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    found = ready.findings()
    assert {name: one for name, one in found.items() if one["outcome"] != "ok"} == {}
    assert found["stacks"]["text"] == "2 can be updated, 5 are new"
    assert "0 run on the account's other endpoints" in found["quota: ml.g6e.12xlarge"]["text"]


def bad_bootstrap(world: World) -> None:
    world.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="5", Type="String", Overwrite=True)


def no_bootstrap(world: World) -> None:
    world.client("ssm").delete_parameter(Name="/cdk-bootstrap/hnb659fds/version")
    world.client("s3").delete_bucket(Bucket=ASSETS)


def other_account(world: World) -> None:
    path = world.folder / "prod.yaml"
    text = path.read_text().replace(f'account: "{ACCOUNT}"', 'account: "111122223333"')
    path.write_text(text.replace(f":{ACCOUNT}:training-plan", ":111122223333:training-plan"))


def may_not_assume(_: World) -> None:
    faults.inject("access-denied", target="sts:AssumeRole")


def no_endpoints(world: World) -> None:
    world.allow(EVERYTHING, {"Effect": "Deny", "Action": "sagemaker:CreateEndpoint", "Resource": "*"})


def only_other_endpoints(world: World) -> None:
    world.allow(
        {"Effect": "Allow", "NotAction": "sagemaker:CreateModel", "Resource": "*"},
        {"Effect": "Allow", "Action": "sagemaker:CreateModel", "Resource": "arn:aws:sagemaker:*:*:model/dev-*"},
    )


def no_scaling_role(world: World) -> None:
    world.client("iam").delete_role(RoleName=SCALING_ROLE)


def stack_is(state: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.stack("cdk-sglang-prod-foundation").status = state

    return change


def endpoint_of_others(world: World) -> None:
    any_endpoint(world.client("sagemaker"), "prod-chat")


def log_group_of_others(world: World) -> None:
    world.client("logs").create_log_group(logGroupName="/aws/sagemaker/InferenceComponents/prod-chat-llama")


def repository_of_others(world: World) -> None:
    world.client("cloudformation").delete_stack(StackName="cdk-sglang-prod-foundation")
    world.client("ecr").create_repository(repositoryName="cdk-sglang/prod")


def no_quota(_: World) -> None:
    faults.inject("endpoint-quota-zero", target="ml.g6e.12xlarge")


def quota_in_use(world: World) -> None:
    any_endpoint(world.client("sagemaker"), "elsewhere", InitialInstanceCount=3)
    running = lambda: sum(
        variant["CurrentInstanceCount"]
        for variant in world.client("sagemaker").describe_endpoint(EndpointName="elsewhere")["ProductionVariants"]
    )
    eventually(lambda: running() == 3)


def plan_of(**changes: Any) -> Callable[[World], None]:
    return lambda world: world.make_plan(**changes)


def lasts_too_short(world: World) -> None:
    world.write(until=dt.datetime.now(dt.UTC).date() + dt.timedelta(days=400))


def no_plan(world: World) -> None:
    path = world.folder / "prod.yaml"
    path.write_text(path.read_text().replace("training-plan/peak", "training-plan/other"))


def zones_without(world: World) -> None:
    world.write(network="{vpc: create, availability_zones: [us-east-1b, us-east-1d]}")


def zones_partly_without(world: World) -> None:
    world.write(network="{vpc: create, availability_zones: [us-east-1a, us-east-1b]}")


def no_base_image(world: World) -> None:
    world.registry.digests.clear()


def no_image(world: World) -> None:
    world.write(own=OTHER_DIGEST)


def no_repository(world: World) -> None:
    world.client("ecr").delete_repository(repositoryName="mine", force=True)


def no_secret(world: World) -> None:
    world.client("secretsmanager").delete_secret(SecretId="hub-token", ForceDeleteWithoutRecovery=True)


def secret_on_its_way_out(world: World) -> None:
    world.client("secretsmanager").delete_secret(SecretId="hub-token")


def secrets_key_disabled(world: World) -> None:
    key = world.client("kms").create_key()["KeyMetadata"]["KeyId"]
    world.client("secretsmanager").update_secret(SecretId="hub-token", KmsKeyId=key)
    world.client("kms").disable_key(KeyId=key)


def key_on_its_way_out(world: World) -> None:
    key = world.client("ssm").get_parameter(Name="/cdk-sglang/prod/key-arn")["Parameter"]["Value"]
    world.client("kms").schedule_key_deletion(KeyId=key.rpartition("/")[2])


def buckets_key_disabled(world: World) -> None:
    key = world.client("kms").create_key()["KeyMetadata"]["Arn"]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    world.client("s3").put_bucket_encryption(Bucket="models", ServerSideEncryptionConfiguration={"Rules": [rule]})
    world.client("kms").disable_key(KeyId=key.rpartition("/")[2])


def no_topic(world: World) -> None:
    world.client("sns").delete_topic(TopicArn=f"arn:aws:sns:us-east-1:{ACCOUNT}:told")


def other_revision(world: World) -> None:
    world.write(revision="9" * 40)


def no_licence(world: World) -> None:
    world.hub.models["Qwen/Qwen3-8B"].license = None


def gated_without_token(world: World) -> None:
    world.hub.models["Qwen/Qwen3-8B"].gated = True
    path = world.folder / "prod.yaml"
    path.write_text(path.read_text().replace(", token_secret: hub-token", ""))


def shard_missing(world: World) -> None:
    world.client("s3").delete_object(Bucket=BUCKET, Key=f"weights/llama/{ONE}")


def adapter_missing(world: World) -> None:
    world.client("s3").delete_object(Bucket=BUCKET, Key="adapters/triage.tar.gz")


def bucket_elsewhere(world: World) -> None:
    """Move the bucket of the file to another Region."""
    s3 = world.client("s3", region="eu-west-1")
    for name in WHOLE:
        s3.delete_object(Bucket="models", Key=f"mine/{name}")
    s3.delete_bucket(Bucket="models")
    s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})


def over_budget(world: World) -> None:
    world.write(budget=50)


def context_too_long(world: World) -> None:
    path = world.folder / "prod.yaml"
    path.write_text(path.read_text().replace("context_length: 16384", "context_length: 4194304", 1))


def no_enrichment(world: World) -> None:
    world.client("cloudwatch").stop_otel_enrichment()


def enrichment_twice(world: World) -> None:
    world.write(enrichment="enable")


WRONGS: list[tuple[Callable[[World], None], str, str, str]] = [
    (other_account, "identity", "failure", f"the credentials are of account {ACCOUNT}, and the environment is of 111122223333"),
    (bad_bootstrap, "bootstrap", "failure", "bootstrap version 5, and the templates need 6 or later"),
    (no_bootstrap, "bootstrap", "failure", "us-east-1 is not bootstrapped for CDK"),
    (may_not_assume, "permissions: you", "failure", "may not assume arn:aws:iam::123456789012:role/cdk-hnb659fds-deploy-role"),
    (no_endpoints, "permissions: CloudFormation", "failure", "may not: sagemaker:CreateEndpoint"),
    (only_other_endpoints, "permissions: CloudFormation", "failure", "may not: sagemaker:CreateModel"),
    (no_scaling_role, "service-linked role: scaling", "warning", "is not there yet"),
    (stack_is("ROLLBACK_COMPLETE"), "stacks", "warning", "cdk-sglang-prod-foundation is ROLLBACK_COMPLETE"),
    (stack_is("UPDATE_ROLLBACK_FAILED"), "stacks", "failure", "cdk-sglang-prod-foundation is UPDATE_ROLLBACK_FAILED"),
    (stack_is("UPDATE_FAILED"), "stacks", "failure", "cdk-sglang-prod-foundation is UPDATE_FAILED"),
    (stack_is("UPDATE_IN_PROGRESS"), "stacks", "failure", "cdk-sglang-prod-foundation is UPDATE_IN_PROGRESS"),
    (endpoint_of_others, "names: chat", "failure", "there is endpoint prod-chat already"),
    (log_group_of_others, "names: log groups", "warning", "/aws/sagemaker/InferenceComponents/prod-chat-llama exist"),
    (repository_of_others, "names: image repository", "warning", "cdk-sglang/prod exists outside of the foundation"),
    (no_quota, "quota: ml.g6e.12xlarge", "failure", "'ml.g6e.12xlarge for endpoint usage' (L-60313EA3) is 0: at most 2 here, 0 run"),
    (quota_in_use, "quota: ml.g6e.12xlarge", "failure", "is 4: at most 2 here, 3 run on the account's other endpoints"),
    (no_plan, "training plan: reserved", "failure", "there is no training plan other"),
    (plan_of(begun=False), "training plan: reserved", "failure", "peak starts at"),
    (plan_of(count=2), "training plan: reserved", "failure", "it holds 2 instances, and the file says 1"),
    (plan_of(kind="ml.p5.48xlarge"), "training plan: reserved", "failure", "it holds ml.p5.48xlarge, and the file says ml.p5en.48xlarge"),
    (lasts_too_short, "training plan: reserved", "failure", "it ends at"),
    (zones_without, "zones: ml.p5en.48xlarge", "failure", "none of us-east-1b, us-east-1d has it; us-east-1a, us-east-1c have"),
    (zones_partly_without, "zones: ml.p5en.48xlarge", "warning", "of us-east-1a, us-east-1b only us-east-1a has it"),
    (no_base_image, "image: lmsysorg/sglang:v0.5.23-cu130@bbbbbbbbbbbb", "failure", "has no such public image"),
    (no_image, "image: mine", "failure", f"has no mine of {OTHER_DIGEST}"),
    (no_repository, "image: mine", "failure", "has no repository mine"),
    (no_secret, "secret: hub-token", "failure", "there is no secret hub-token"),
    (secret_on_its_way_out, "secret: hub-token", "failure", "hub-token is going to be deleted"),
    (secrets_key_disabled, "secret: hub-token", "failure", "which is Disabled"),
    (key_on_its_way_out, "key: environment", "failure", "which is PendingDeletion"),
    (buckets_key_disabled, "key: s3://models", "failure", "which is Disabled"),
    (no_topic, f"topic: us-east-1:{ACCOUNT}:told", "failure", "so nobody would be notified"),
    (other_revision, "Hugging Face: Qwen/Qwen3-8B", "failure", "has no commit 9999"),
    (no_licence, "Hugging Face: Qwen/Qwen3-8B", "warning", "states no licence"),
    (gated_without_token, "Hugging Face: Qwen/Qwen3-8B", "failure", "is gated (licence apache-2.0), and there is no token"),
    (shard_missing, "weights: weights/llama/", "failure", ONE),
    (adapter_missing, "weights: adapters/triage.tar.gz", "failure", "is not there"),
    (bucket_elsewhere, "bucket: models", "failure", "the bucket is in eu-west-1, the environment in us-east-1"),
    (over_budget, "budget", "failure", "above budget_usd_per_hour of 50.00"),
    (context_too_long, "plan", "failure", "context_length"),
    (no_enrichment, "OTel enrichment", "failure", "in us-east-1 it is STOPPED"),
    (enrichment_twice, "OTel enrichment", "failure", "is on in us-east-1 already"),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONGS, ids=[f"{one[0].__name__}-{one[1]}" for one in WRONGS])
def test_one_wrong_is_one_line(
    ready: World,
    monkeypatch: pytest.MonkeyPatch,
    wrong: tuple[Callable[[World], None], str, str, str],
) -> None:
    breaks, name, outcome, text = wrong
    if not name.startswith("weights"):  # a process of its own each time
        monkeypatch.setattr(weights_checks, "problems_below", lambda *_, **__: ())
    breaks(ready)
    others = ready.others()
    assert {one: found["outcome"] for one, found in others.items()} == {name: outcome}
    assert text in others[name]["text"]
    assert others[name]["next_step"]


def test_an_endpoint_above_the_quotas_of_its_type_and_of_one_endpoint_is_two_lines(
    ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_checks, "problems_below", lambda *_, **__: ())
    ready.write(most=5)
    others = ready.others()
    assert set(others) == {"quota: ml.g6e.12xlarge", "quota: one endpoint"}
    assert others["quota: one endpoint"]["text"].endswith("is 4: chat may have 5")
    assert others["quota: one endpoint"]["next_step"].startswith("request 5: aws service-quotas request-service-quota")
