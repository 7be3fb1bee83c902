"""What sessions of a role may do in the embedded AWS: what the role's policies allow."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import ROLE

Allow = Callable[..., None]


@pytest.fixture
def allow(client: Any) -> Allow:
    """Give the role statements, in place of those that it had."""
    client("iam").create_role(RoleName="hosting", AssumeRolePolicyDocument="{}")

    def put(*statements: dict[str, Any]) -> None:
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Resource": "*"} | one for one in statements],
        }
        client("iam").put_role_policy(RoleName="hosting", PolicyName="p", PolicyDocument=json.dumps(document))

    return put


@pytest.fixture
def as_role(client: Any, cloud: LocalCloud, allow: Allow) -> Callable[[str], Any]:
    def service(name: str) -> Any:
        keys = client("sts").assume_role(RoleArn=ROLE, RoleSessionName="me")["Credentials"]
        return boto3.client(
            name,
            region_name="us-east-1",
            endpoint_url=cloud.url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )

    return service


def code_of(call: Callable[..., Any], **parameters: Any) -> str:
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "action", "refusal"),
    [
        ("sagemaker", "list_endpoints", {}, "sagemaker:ListEndpoints", "AccessDeniedException"),
        ("logs", "describe_log_groups", {}, "logs:DescribeLogGroups", "AccessDeniedException"),
        ("cloudformation", "describe_stacks", {}, "cloudformation:DescribeStacks", "AccessDenied"),
        ("cloudwatch", "describe_alarms", {}, "cloudwatch:DescribeAlarms", "AccessDenied"),
        ("s3", "list_objects_v2", {"Bucket": "files"}, "s3:ListBucket", "AccessDenied"),
        ("s3", "head_object", {"Bucket": "files", "Key": "a"}, "s3:GetObject", "403"),
        ("s3", "delete_object", {"Bucket": "files", "Key": "b"}, "s3:DeleteObject", "AccessDenied"),
    ],
)
def test_an_action_needs_a_policy_that_allows_it(  # noqa: PLR0917 -- one column each
    client: Any,
    as_role: Any,
    allow: Allow,
    service: str,
    operation: str,
    parameters: dict[str, Any],
    action: str,
    refusal: str,
) -> None:
    client("s3").create_bucket(Bucket="files")
    client("s3").put_object(Bucket="files", Key="a", Body=b"1")
    call = getattr(as_role(service), operation)
    assert code_of(call, **parameters).removesuffix("Exception") == refusal.removesuffix("Exception")
    allow({"Action": action})
    assert code_of(call, **parameters) == ""
    allow({"Action": action}, {"Action": action, "Effect": "Deny"})
    assert code_of(call, **parameters).removesuffix("Exception") == refusal.removesuffix("Exception")


def test_the_message_names_session_action_and_resource(client: Any, as_role: Any, allow: Allow) -> None:
    allow({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::files/weights/*"})
    client("s3").create_bucket(Bucket="files")
    for key in ("weights/a", "other/a"):
        client("s3").put_object(Bucket="files", Key=key, Body=b"1")
    assert as_role("s3").get_object(Bucket="files", Key="weights/a")["Body"].read() == b"1"
    says = r"assumed-role/hosting/me is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::files/other/a because no "
    with pytest.raises(ClientError, match=says):
        as_role("s3").get_object(Bucket="files", Key="other/a")


def test_a_policy_of_the_bucket_that_names_the_role_is_enough(client: Any, as_role: Any) -> None:
    client("s3").create_bucket(Bucket="files")
    statement = {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "s3:List*", "Resource": "arn:aws:s3:::files"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    client("s3").put_bucket_policy(Bucket="files", Policy=json.dumps(policy))
    assert code_of(as_role("s3").list_objects_v2, Bucket="files") == ""
    assert code_of(as_role("s3").put_object, Bucket="files", Key="a", Body=b"") == "AccessDenied"


def test_an_invocation_needs_a_policy_that_allows_it(serving: Any, as_role: Any, allow: Allow) -> None:
    call = as_role("sagemaker-runtime").invoke_endpoint
    request = {"EndpointName": "fleet", "InferenceComponentName": "llama", "Body": b"{}"}
    allow({"Action": "sagemaker:InvokeEndpointWithResponseStream"})
    assert code_of(call, **request) == "AccessDeniedException"
    allow({"Action": "sagemaker:InvokeEndpoint"})
    assert code_of(call, **request) == ""


def test_an_invocation_needs_the_right_on_the_endpoint_and_on_the_component(
    serving: Any, as_role: Any, allow: Allow
) -> None:
    call = as_role("sagemaker-runtime").invoke_endpoint
    request = {"EndpointName": "fleet", "InferenceComponentName": "llama", "Body": b"{}"}
    of = "arn:aws:sagemaker:us-east-1:123456789012:"
    endpoint, component = f"{of}endpoint/fleet", f"{of}inference-component/llama"
    for resources, code in (
        ([endpoint], "AccessDeniedException"),
        ([component], "AccessDeniedException"),
        ([endpoint, f"{component}-2"], "AccessDeniedException"),
        ([endpoint, component], ""),
    ):
        allow({"Action": "sagemaker:InvokeEndpoint", "Resource": resources})
        assert code_of(call, **request) == code, resources


def test_versions_of_files_need_rights_of_their_own(client: Any, as_role: Any, allow: Allow) -> None:
    client("s3").create_bucket(Bucket="versions")
    enabled = {"Status": "Enabled"}
    client("s3").put_bucket_versioning(Bucket="versions", VersioningConfiguration=enabled)
    version = client("s3").put_object(Bucket="versions", Key="a", Body=b"1")["VersionId"]
    one = {"Key": "a", "VersionId": version}
    files = as_role("s3")

    def codes(**one: str) -> list[str]:
        answer = files.delete_objects(Bucket="versions", Delete={"Objects": [one]})
        return [error["Code"] for error in answer.get("Errors", [])]

    allow({"Action": ["s3:GetObject", "s3:DeleteObject"]})
    assert code_of(files.get_object, Bucket="versions", **one) == "AccessDenied"
    assert code_of(files.delete_object, Bucket="versions", **one) == "AccessDenied"
    assert codes(**one) == ["AccessDenied"]
    assert codes(Key="other") == []
    allow({"Action": ["s3:GetObjectVersion", "s3:DeleteObject", "s3:DeleteObjectVersion"]})
    assert code_of(files.get_object, Bucket="versions", **one) == ""
    assert codes(**one) == []


def test_who_one_is_may_always_be_asked_and_the_start_may_do_everything(client: Any, as_role: Any) -> None:
    assert as_role("sts").get_caller_identity()["Arn"].endswith("assumed-role/hosting/me")
    assert code_of(client("sagemaker").list_endpoints) == ""
