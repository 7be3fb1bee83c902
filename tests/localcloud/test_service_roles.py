"""Roles that services take on: state machines, schedules, endpoints, jobs and builds may do what their role's policies allow."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.hosting import access
from tests.localcloud.helpers import ROLE, SESSION, any_component, any_endpoint

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/sglang:0.5"
PULLS = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
]
SOURCE = {
    "S3DataSource": {"S3Uri": "s3://files/weights/", "S3DataType": "S3Prefix", "CompressionType": "None"},
}
Allow = Callable[..., None]


@pytest.fixture
def allow(driven: Any) -> Allow:
    """Give the role these actions in place of those that it had."""
    iam = SESSION.client("iam")
    iam.create_role(RoleName="hosting", AssumeRolePolicyDocument="{}")

    def put(*actions: str, resource: str = "*") -> None:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName="hosting", PolicyName="p", PolicyDocument=document)

    put("none:None")
    return put


def component_of(sagemaker: Any, driven: Any, **specification: Any) -> dict[str, Any]:
    any_endpoint(sagemaker)
    driven.advance(5)
    any_component(sagemaker, **specification)
    driven.advance(30)
    found: dict[str, Any] = sagemaker.describe_inference_component(InferenceComponentName="llama")
    return found


@pytest.mark.parametrize("missing", PULLS)
def test_an_image_needs_each_right_to_pull_it(sagemaker: Any, driven: Any, allow: Allow, missing: str) -> None:
    allow(*(action for action in PULLS if action != missing))
    found = component_of(sagemaker, driven, Container={"Image": IMAGE})
    assert found["InferenceComponentStatus"] == "Failed"
    assert f"not authorized to perform: {missing}" in found["FailureReason"]


@pytest.mark.parametrize("missing", ["s3:GetObject", "s3:ListBucket", "kms:Decrypt", ""])
def test_weights_need_the_rights_to_list_read_and_decrypt_them(
    sagemaker: Any, driven: Any, allow: Allow, missing: str
) -> None:
    s3, key = SESSION.client("s3"), SESSION.client("kms").create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="files")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket="files", ServerSideEncryptionConfiguration={"Rules": [rule]})
    allow(*{"s3:GetObject", "s3:ListBucket", "kms:Decrypt"} - {missing})
    sagemaker.create_model(
        ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "sglang:latest", "ModelDataSource": SOURCE}
    )
    any_endpoint(sagemaker)
    driven.advance(5)
    needs = {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 2}
    sagemaker.create_inference_component(
        InferenceComponentName="llama",
        EndpointName="fleet",
        VariantName="main",
        Specification={"ModelName": "m", "ComputeResourceRequirements": needs},
        RuntimeConfig={"CopyCount": 1},
    )
    driven.advance(30)
    found = sagemaker.describe_inference_component(InferenceComponentName="llama")
    if not missing:
        assert found["InferenceComponentStatus"] == "InService"
        return
    assert "Could not access model data at s3://files/weights/" in found["FailureReason"]
    assert f"not authorized to perform: {missing}" in found["FailureReason"]


def test_a_right_on_another_prefix_is_none(allow: Allow) -> None:
    allow("s3:*", resource="arn:aws:s3:::files/other/*")
    says = access.reading(ROLE, "s3://files/weights/a", region="us-east-1")
    assert says is not None
    assert says.endswith("because no identity-based policy allows the s3:GetObject action")
    assert access.reading(ROLE, "s3://files/other/a", region="us-east-1") is None


def test_a_state_machine_does_what_its_role_allows(driven: Any, allow: Allow) -> None:
    machine = SESSION.client("stepfunctions")
    state = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sagemaker:listEndpoints", "Parameters": {}}
    definition = {"StartAt": "Look", "States": {"Look": state | {"End": True}}}
    arn = machine.create_state_machine(name="m", roleArn=ROLE, definition=json.dumps(definition))["stateMachineArn"]

    def outcome() -> dict[str, Any]:
        run = machine.start_execution(stateMachineArn=arn)["executionArn"]
        driven.advance(5)
        found: dict[str, Any] = machine.describe_execution(executionArn=run)
        return found

    refused = outcome()
    assert refused["status"] == "FAILED"
    assert "not authorized to perform: sagemaker:ListEndpoints" in refused["cause"]
    allow("sagemaker:ListEndpoints")
    assert outcome()["status"] == "SUCCEEDED"


def test_a_schedule_delivers_what_its_role_allows(driven: Any, allow: Allow) -> None:
    sqs, scheduler = SESSION.client("sqs"), SESSION.client("scheduler")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("work", "dead")}
    arns = {name: f"arn:aws:sqs:us-east-1:123456789012:{name}" for name in urls}
    target = {"Arn": arns["work"], "RoleArn": ROLE, "Input": "x", "DeadLetterConfig": {"Arn": arns["dead"]}}
    target |= {"RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}}
    scheduler.create_schedule(
        Name="s", ScheduleExpression="rate(1 hours)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )

    def counts() -> dict[str, str]:
        names = ["ApproximateNumberOfMessages"]
        return {
            name: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"][names[0]]
            for name, url in urls.items()
        }

    driven.advance(5)
    assert counts() == {"work": "0", "dead": "0"}  # the role may not write to the dead-letter queue either
    allow("sqs:SendMessage", resource=arns["dead"])
    driven.advance(3600)
    assert counts() == {"work": "0", "dead": "1"}
    allow("sqs:SendMessage")
    driven.advance(3600)
    assert counts() == {"work": "1", "dead": "1"}


def test_whoever_hands_a_role_to_sagemaker_needs_to_pass_it(driven: Any, allow: Allow) -> None:
    keys = SESSION.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="me")["Credentials"]
    mine = SESSION.client(
        "sagemaker",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    model = {"ModelName": "m", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "sglang:latest"}}
    allow("sagemaker:CreateModel")
    with pytest.raises(ClientError, match="iam:PassRole on resource: arn:aws:iam::123456789012:role/hosting"):
        mine.create_model(**model)
    allow("sagemaker:CreateModel", "iam:PassRole")
    mine.create_model(**model)


def test_resources_of_sagemaker_are_compared(driven: Any, allow: Allow) -> None:
    keys = SESSION.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="me")["Credentials"]
    mine = SESSION.client(
        "sagemaker",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    any_endpoint(SESSION.client("sagemaker"))
    allow("sagemaker:DescribeEndpoint", resource="arn:aws:sagemaker:us-east-1:123456789012:endpoint/fleet")
    mine.describe_endpoint(EndpointName="fleet")
    with pytest.raises(ClientError, match="endpoint/other because no identity-based policy"):
        mine.describe_endpoint(EndpointName="Other")
