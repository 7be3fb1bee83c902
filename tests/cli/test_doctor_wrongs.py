"""`cdk-sglang doctor` of accounts in which many things are wrong at once: each is its own line, and the rest stays ok."""

from __future__ import annotations

import json

import pytest

from cdk_sglang.cli.doctor import weights as weights_checks
from cdk_sglang.cli.doctor.account import Account, CouldNotCheckError
from localcloud.aws.hosting.store import store
from tests.localcloud.helpers import ROLE, eventually, variant
from tests.support.doctor import ACCOUNT, ASSETS, BUCKET, World

TOPIC = f"topic: us-east-1:{ACCOUNT}:told"
TOPIC_ARN = f"arn:aws:sns:us-east-1:{ACCOUNT}:told"


@pytest.fixture
def world(ready: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(weights_checks, "problems_below", lambda *_, **__: ())
    return ready


def encrypt(world: World, key: str) -> None:
    world.client("sns").set_topic_attributes(TopicArn=TOPIC_ARN, AttributeName="KmsMasterKeyId", AttributeValue=key)


def test_what_a_grown_account_has_wrong_is_a_line_each(world: World) -> None:
    ec2, s3, kms = (world.client(name) for name in ("ec2", "s3", "kms"))
    for number in range(4):  # and the default one
        ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")
    s3.delete_bucket(Bucket=ASSETS)
    s3.put_object(Bucket=BUCKET, Key="adapters/triage.tar.gz", Body=b"")
    encrypt(world, "alias/aws/sns")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=key)
    world.client("secretsmanager").update_secret(SecretId="hub-token", KmsKeyId=key)
    world.client("logs").create_log_group(logGroupName="/aws/sagemaker/Endpoints/prod-reserved")
    world.write(until="2026-11-27", budget=1)
    text = (world.folder / "prod.yaml").read_text()
    (world.folder / "prod.yaml").write_text(text.replace("s3://models/mine/", "s3://modles/mine/"))

    found = world.others()
    texts = {name: (one["outcome"], one["text"]) for name, one in found.items()}
    assert all(one["next_step"] for one in found.values())
    assert {name: outcome for name, (outcome, _) in texts.items()} == {
        "network: quota of VPCs": "failure",
        "bootstrap: bucket": "failure",
        "weights: adapters/triage.tar.gz": "failure",
        TOPIC: "failure",
        "secret: hub-token": "failure",
        "names: log groups": "warning",
        "budget": "failure",
        "bucket: modles": "failure",
    }
    assert texts["network: quota of VPCs"][1] == "'VPCs per Region' (L-F678F1CE) is 5: 1 here, 5 are there"
    assert texts["weights: adapters/triage.tar.gz"][1].endswith("is empty")
    assert "through which no alarm may publish" in texts[TOPIC][1]
    assert "PendingDeletion" in texts["secret: hub-token"][1]
    assert texts["bucket: modles"][1] == "there is no bucket modles"


def test_a_topics_own_key_has_to_be_usable(world: World) -> None:
    kms = world.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    encrypt(world, key)
    assert world.findings()[TOPIC]["text"].endswith("must let cloudwatch.amazonaws.com use it")
    kms.disable_key(KeyId=key)
    assert {name: one["text"] for name, one in world.others().items()} == {
        TOPIC: f"is encrypted with {key}, which is Disabled"
    }


def test_a_vpc_of_the_foundation_needs_no_room_and_a_failed_endpoint_is_named(world: World) -> None:
    cloudformation = world.client("cloudformation")
    config = {"EndpointConfigName": "prod-chat-1", "ExecutionRoleArn": ROLE, "ProductionVariants": [variant()]}
    endpoint = {"EndpointName": "prod-chat", "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]}}
    resources = {
        "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": config},
        "Endpoint": {"Type": "AWS::SageMaker::Endpoint", "Properties": endpoint},
    }
    cloudformation.create_stack(StackName="cdk-sglang-prod-chat", TemplateBody=json.dumps({"Resources": resources}))
    cloudformation.update_stack(
        StackName="cdk-sglang-prod-foundation",
        TemplateBody=json.dumps(
            {
                "Resources": {
                    "Images": {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "cdk-sglang/prod"}},
                    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.64.0.0/16"}},
                }
            }
        ),
    )
    for number in range(3):
        world.client("ec2").create_vpc(CidrBlock=f"10.{number}.0.0/16")
    stacks = cloudformation.describe_stacks
    eventually(lambda: {one["StackStatus"] for one in stacks()["Stacks"]} == {"CREATE_COMPLETE", "UPDATE_COMPLETE"})
    store(ACCOUNT, "us-east-1").endpoints["prod-chat"].data["EndpointStatus"] = "Failed"
    found = world.findings()
    assert found["network: quota of VPCs"]["text"] == "the foundation has its VPC"
    assert {name: one["text"] for name, one in found.items() if one["outcome"] != "ok"} == {
        "names: chat": "endpoint prod-chat is Failed, and SageMaker allows nothing but its deletion"
    }


def test_a_region_that_is_not_enabled_looks_like_wrong_credentials_and_the_line_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7UNKNOWN")
    with pytest.raises(CouldNotCheckError) as raised:
        Account("us-east-1").identity()
    assert "in a Region that the account has to enable first, AWS says the same" in raised.value.next_step
