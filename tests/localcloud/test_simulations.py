"""IAM's simulation of policies in the embedded AWS."""

import json
from typing import Any

import pytest

from localcloud.aws import faults
from tests.localcloud.helpers import SESSION

ROLE = "arn:aws:iam::123456789012:role/deployer"
ENDPOINTS = "arn:aws:sagemaker:us-east-1:123456789012:endpoint"


@pytest.fixture
def iam(driven: Any) -> Any:
    return SESSION.client("iam")


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def decisions(iam: Any, *actions: str, source: str = ROLE, resources: tuple[str, ...] = ("*",)) -> dict[str, str]:
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=source, ActionNames=list(actions), ResourceArns=list(resources)
    )
    return {one["EvalActionName"]: one["EvalDecision"] for page in pages for one in page["EvaluationResults"]}


def test_inline_and_attached_policies_of_a_role_decide_by_action_and_resource(iam: Any) -> None:
    iam.create_role(RoleName="deployer", AssumeRolePolicyDocument="{}")
    dev = {"Effect": "Allow", "Action": "sagemaker:*", "Resource": f"{ENDPOINTS}/dev-*"}
    iam.put_role_policy(RoleName="deployer", PolicyName="a", PolicyDocument=document(dev))
    keys = document(
        {"Effect": "Allow", "Action": ["kms:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "kms:DeleteKey", "Resource": "*"},
    )
    policy = iam.create_policy(PolicyName="keys", PolicyDocument=keys)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="deployer", PolicyArn=policy)
    chat, prod = f"{ENDPOINTS}/dev-chat", f"{ENDPOINTS}/prod-chat"
    create = "sagemaker:CreateEndpoint"
    assert decisions(iam, create, resources=(chat,)) == {create: "allowed"}
    (result,) = iam.simulate_principal_policy(PolicySourceArn=ROLE, ActionNames=[create], ResourceArns=[chat, prod])[
        "EvaluationResults"
    ]
    assert result["EvalDecision"] == "implicitDeny", "the most restrictive one"
    assert [(one["EvalResourceName"], one["EvalResourceDecision"]) for one in result["ResourceSpecificResults"]] == [
        (chat, "allowed"), (prod, "implicitDeny"),
    ]  # fmt: skip
    assert list(decisions(iam, "kms:CreateKey", "kms:DeleteKey", "s3:CreateBucket").values()) == [
        "allowed", "explicitDeny", "implicitDeny",
    ]  # fmt: skip


def test_keys_of_conditions_are_reported_as_missing(iam: Any) -> None:
    iam.create_role(RoleName="deployer", AssumeRolePolicyDocument="{}")
    condition = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": condition}
    iam.put_role_policy(RoleName="deployer", PolicyName="a", PolicyDocument=document(passing))
    answer = iam.simulate_principal_policy(PolicySourceArn=ROLE, ActionNames=["iam:PassRole", "iam:GetRole"])
    passed, got = answer["EvaluationResults"]
    assert (passed["EvalDecision"], passed["MissingContextValues"]) == ("implicitDeny", ["iam:PassedToService"])
    assert got.get("MissingContextValues", []) == []
    answer = iam.simulate_principal_policy(PolicySourceArn=ROLE, ActionNames=["iam:PassRole"], ResourceArns=[ROLE])
    (passed,) = answer["EvaluationResults"]
    assert passed.get("MissingContextValues", []) == []
    assert passed["ResourceSpecificResults"][0]["MissingContextValues"] == ["iam:PassedToService"]


def test_a_users_groups_count_and_principals_that_are_not_there_are_refused(iam: Any) -> None:
    user = iam.create_user(UserName="me")["User"]["Arn"]
    iam.create_group(GroupName="deployers")
    iam.put_group_policy(
        GroupName="deployers",
        PolicyName="a",
        PolicyDocument=document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}),
    )
    assert list(decisions(iam, "sts:AssumeRole", source=user).values()) == ["implicitDeny"]
    iam.add_user_to_group(GroupName="deployers", UserName="me")
    assert list(decisions(iam, "sts:AssumeRole", source=user).values()) == ["allowed"]
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        decisions(iam, "sts:AssumeRole")


def test_the_embedded_awss_own_credentials_may_do_what_no_fault_denies(iam: Any) -> None:
    own = SESSION.client("sts").get_caller_identity()["Arn"]
    assert list(decisions(iam, "kms:CreateKey", source=own).values()) == ["allowed"]
    faults.inject("access-denied", target="kms:CreateKey")
    assert list(decisions(iam, "kms:CreateKey", source=own).values()) == ["explicitDeny"]


def test_a_policy_of_aws_on_a_role_of_a_stack_counts_and_does_not_hold_the_role_back(iam: Any) -> None:
    """As `cdk bootstrap` makes the role with which CloudFormation deploys."""
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": "deployer",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
            "ManagedPolicyArns": [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AmazonS3ReadOnlyAccess"}],
        },
    }
    cloudformation = SESSION.client("cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps({"Resources": {"Role": role}}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 0})
    assert list(decisions(iam, "s3:GetObject", "s3:PutObject").values()) == ["allowed", "implicitDeny"]
    cloudformation.delete_stack(StackName="s")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 0})


def test_registries_of_other_accounts_have_what_is_asked_for_and_ones_own_what_was_pushed(driven: Any) -> None:
    ecr = SESSION.client("ecr")
    image = {"repositoryName": "sglang", "imageIds": [{"imageTag": "0.5.17"}]}
    (found,) = ecr.batch_get_image(registryId="763104351884", **image)["images"]
    assert found["imageId"]["imageTag"] == "0.5.17"
    assert found["imageId"]["imageDigest"].startswith("sha256:")
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException):
        ecr.batch_get_image(**image)
