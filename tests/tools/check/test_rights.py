"""Rights that are taken away one by one: what a function calls is missed when it is deployed, called or deleted, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tools.check.deployment import rights
from tools.check.synthesis import synthesise

FUNCTION = """
import boto3
s3 = boto3.client("s3")
def on_event(event, context):
    name = event["ResourceProperties"]["Name"]
    if event["RequestType"] == "Delete":
        s3.delete_object(Bucket=name, Key="a")
    else:
        s3.put_object(Bucket=name, Key="a", Body=b"1")
    return {"PhysicalResourceId": name}
"""


def role(*actions: str, resource: Any = "*") -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    trust = {
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
        "Version": "2012-10-17",
    }
    policies = [{"PolicyName": "Library", "PolicyDocument": document}]
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust, "Policies": policies}}


def function(name: str, handler: str, runtime: str, **more: Any) -> dict[str, Any]:
    logs = {"LoggingConfig": {"LogGroup": {"Ref": f"{name}Logs"}}}
    properties = {"Code": {"ZipFile": FUNCTION}, "Handler": handler, "Runtime": runtime, "Timeout": 60}
    own = {"Role": {"Fn::GetAtt": [f"{name}Role", "Arn"]}}
    return {"Type": "AWS::Lambda::Function", "Properties": properties | own | logs | more}


LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
RESOURCES: dict[str, Any] = {
    "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "kept"}},
    "WorkLogs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/work"}},
    "WorkRole": role(*LOGS, "s3:PutObject", "s3:DeleteObject", "s3:GetObject"),
    "Work": function("Work", "index.on_event", "python3.12"),
    "ProviderLogs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/provider"}},
    "ProviderRole": role(*LOGS, "lambda:InvokeFunction", "lambda:GetFunction"),
    "Provider": function(
        "Provider",
        "index.onEvent",
        "nodejs22.x",
        Environment={"Variables": {"USER_ON_EVENT_FUNCTION_ARN": {"Fn::GetAtt": ["Work", "Arn"]}}},
    ),
    "Custom": {
        "Type": "Custom::Kept",
        "Properties": {"ServiceToken": {"Fn::GetAtt": ["Provider", "Arn"]}, "Name": {"Ref": "Bucket"}},
    },
}


def test_each_right_that_is_needed_is_missed_and_the_others_are_named(tmp_path: Path) -> None:
    (tmp_path / "App.template.json").write_text(json.dumps({"Resources": RESOURCES}))
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://123456789012/us-east-1",
        "properties": {"templateFile": "App.template.json", "stackName": "app"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"App": artifact}}))
    baseline = {"App": rights.found(tmp_path, "App")}
    verdicts = [rights.judged(tmp_path, baseline, one) for one in rights.rights("App", {"Resources": RESOURCES})]
    unnoticed = {(one.right.role, one.right.action) for one in verdicts if not one.finding}
    assert unnoticed == {("WorkRole", "s3:GetObject"), ("ProviderRole", "lambda:GetFunction")}
    *lines, figures = rights.table(verdicts)
    assert figures == "7 of 9 rights noticed, 1 with a reason, 1 with none"
    (kept,) = (line for line in lines if "s3:GetObject" in line)
    assert kept.endswith("nothing notices: it goes, or gets a reason here")
    (finding,) = (line for line in lines if "s3:PutObject" in line)
    assert "not authorized to perform: s3:PutObject" in finding


RIGHTS = 38
"""Rights of the local environment: another number is a reason to run `make rights`, and to bring docs/proof.md up to date."""
EXPLAINED = 5


def test_the_local_environment_has_as_many_rights_as_were_taken_away_and_each_reason_is_of_one(tmp_path: Path) -> None:
    (synthesis,) = synthesise([rights.ENVIRONMENT], tmp_path)
    assert synthesis.problems() == []
    every = [right for name, text in rights.prepared(synthesis.folder).items() for right in rights.rights(name, text)]
    assert len(every) == RIGHTS
    explained = [right for right in every if rights.reason(right)]
    assert len(explained) == EXPLAINED
    used = {
        key for key in rights.REASONS for right in explained if key[0] == right.action and key[1] in right.resources
    }
    assert set(rights.REASONS) - used == {("lambda:GetFunction", "")}, "this one is of environments with a provider"
    assert all("https://docs.aws.amazon.com/" in why for why in rights.REASONS.values())


def test_a_reason_is_for_the_resources_that_it_names_alone() -> None:
    def stays(action: str, resources: str) -> bool:
        return bool(rights.reason(rights.Right("App", "Role", action, resources, "")))

    assert stays("logs:PutLogEvents", '"arn:aws:logs:us-east-1:1:log-group:/aws/sagemaker/Endpoints/chat:*"')
    assert not stays("logs:PutLogEvents", '"arn:aws:logs:us-east-1:1:log-group:/aws/sagemaker/InferenceComponents/a:*"')
    assert stays("logs:DescribeLogStreams", '"arn:aws:logs:us-east-1:1:log-group:/anything"')
