"""A network as the foundation has it: created with its rules, and gone with its stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.localcloud.helpers import eventually

TEMPLATE = {
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.64.0.0/16"}},
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "VPC endpoints", "VpcId": {"Ref": "Vpc"}},
        },
        "Rule": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {
                "GroupId": {"Fn::GetAtt": ["Group", "GroupId"]},
                "SourceSecurityGroupId": {"Fn::GetAtt": ["Group", "GroupId"]},
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
            },
        },
    }
}


def test_rules_of_security_groups_go_with_their_stack(client: Callable[[str], Any]) -> None:
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="net", TemplateBody=json.dumps(TEMPLATE))

    def states() -> list[str]:
        return [one["StackStatus"] for one in cloudformation.list_stacks()["StackSummaries"]]

    eventually(lambda: states() == ["CREATE_COMPLETE"])
    cloudformation.delete_stack(StackName="net")
    eventually(lambda: states() in (["DELETE_COMPLETE"], ["DELETE_FAILED"]))
    assert states() == ["DELETE_COMPLETE"], cloudformation.describe_stack_events(StackName="net")["StackEvents"][:3]
