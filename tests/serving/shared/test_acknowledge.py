"""Findings of rule packs, accepted beside their resource."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template
from constructs import IConstruct

from cdk_sglang import EndpointNetwork, InferenceEndpoint, ModelSource
from cdk_sglang.serving.shared.acknowledge import CONTROL_PACKS, acknowledge, acknowledge_wildcards, in_packs


def _acknowledged(construct: IConstruct) -> dict[str, str]:
    """Return id and reason of every finding accepted at a construct itself, as CDK recorded them."""
    entries = [e.data for e in construct.node.metadata if e.type == "aws:cdk:acknowledged-rules"]
    return {name.removeprefix("Annotation::"): reason for entry in entries for name, reason in entry.items()}


@pytest.fixture
def role(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Role", assumed_by=iam.AccountRootPrincipal())


def test_a_rule_is_named_in_every_control_pack() -> None:
    assert in_packs("IAMNoInlinePolicy") == [
        "NIST.800.53.R5-IAMNoInlinePolicy",
        "HIPAA.Security-IAMNoInlinePolicy",
        "PCI.DSS.321-IAMNoInlinePolicy",
    ]


def test_findings_are_recorded_with_their_reason(role: iam.Role) -> None:
    acknowledge(role, ["A-1", "B-2"], "because")
    assert _acknowledged(role) == {"A-1": "because", "B-2": "because"}


def test_no_finding_records_nothing(role: iam.Role) -> None:
    acknowledge(role, [], "because")
    assert _acknowledged(role) == {}


def test_wildcards_are_written_as_the_packs_report_them(stack: cdk.Stack, role: iam.Role) -> None:
    bucket = s3.Bucket(stack, "Weights")
    name = cdk.CfnParameter(stack, "Name").value_as_string
    acknowledge_wildcards(
        stack, role, ["*", f"{bucket.bucket_arn}/a/*", f"arn:aws:s3:::{name}/*", "arn:aws:s3:::b/*"], "because"
    )
    (bucket_id,) = [str(stack.resolve(bucket.bucket_arn)["Fn::GetAtt"][0])]
    assert list(_acknowledged(role)) == [
        "AwsSolutions-IAM5[Resource::*]",
        f"AwsSolutions-IAM5[Resource::<{bucket_id}.Arn>/a/*]",
        "AwsSolutions-IAM5[Resource::arn:aws:s3:::<Name>/*]",
        "AwsSolutions-IAM5[Resource::arn:aws:s3:::b/*]",
    ]


def test_the_execution_role_says_why_it_is_as_it_is(any_endpoint: Callable[..., InferenceEndpoint]) -> None:
    network = EndpointNetwork(subnet_ids=("subnet-00000001", "subnet-00000002"), security_group_ids=("sg-00000001",))
    endpoint = any_endpoint(network=network)
    endpoint.add_component("llama", model=ModelSource.from_s3("s3://models/llama/"))
    Template.from_stack(cdk.Stack.of(endpoint))  # what models need is written at synth
    found = _acknowledged(endpoint.role)
    where = "us-east-1:111122223333"
    assert set(found) == {
        *(f"{pack}-IAMNoInlinePolicy" for pack in CONTROL_PACKS),
        "AwsSolutions-IAM5[Resource::*]",
        f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ec2:{where}:network-interface/*]",
        f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:logs:{where}:log-group:/aws/sagemaker/Endpoints/chat:*]",
        f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:logs:{where}:log-group:/aws/sagemaker/InferenceComponents/chat-llama:*]",
        "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::models/llama/*]",
    }
    assert all(reason for reason in found.values())


def test_where_aws_is_the_limit_the_reason_has_a_link(any_endpoint: Callable[..., InferenceEndpoint]) -> None:
    endpoint = any_endpoint()
    reasons = {**_acknowledged(endpoint._config), **_acknowledged(endpoint.role)}
    for finding in ("NIST.800.53.R5-SageMakerEndpointConfigurationKMSKeyConfigured", "AwsSolutions-IAM5[Resource::*]"):
        assert "https://docs.aws.amazon.com/" in reasons[finding]
