"""Deployments to an embedded AWS as a check: what it refuses is a finding, and nothing else is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from localcloud.aws import clock, settings
from tools.check import commands
from tools.check.assemblies import Assembly
from tools.check.deployment import __main__ as child
from tools.check.deployment import checker, stacks
from tools.check.deployment.mutants import Mutant, table

QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {}}
ROLE = "arn:aws:iam::123456789012:role/hosting"
PLAN = "arn:aws:sagemaker:us-west-2:123456789012:training-plan/peak"


def variant(**changes: Any) -> dict[str, Any]:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2}
    usual = {"VariantName": "main", "InstanceType": "ml.g6e.12xlarge", "InitialInstanceCount": 1}
    return usual | {"ManagedInstanceScaling": scaling} | changes


def endpoint(**changes: Any) -> dict[str, Any]:
    properties = {"ExecutionRoleArn": ROLE, "ProductionVariants": [variant(**changes)]}
    return {
        "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": properties},
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {"EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]}},
        },
    }


def component(**changes: Any) -> dict[str, Any]:
    specification = {
        "Container": {"Image": "sglang:latest"},
        "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 1},
    }
    properties = {
        "EndpointName": {"Fn::GetAtt": ["Endpoint", "EndpointName"]},
        "VariantName": "main",
        "Specification": specification,
        "RuntimeConfig": {"CopyCount": 1},
    }
    return {"Type": "AWS::SageMaker::InferenceComponent", "Properties": properties | changes}


def assembly(
    folder: Path,
    templates: dict[str, dict[str, Any]],
    *,
    needs: dict[str, list[str]] | None = None,
    assets: dict[str, Any] | None = None,
) -> Assembly:
    """Write an assembly of templates, by artifact."""
    for name, resources in templates.items():
        version = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/hnb659fds/version"}
        template = {"Parameters": {"BootstrapVersion": version}, "Resources": resources}
        (folder / f"{name}.json").write_text(json.dumps(template))
        (folder / f"{name}.assets.json").write_text(json.dumps({"files": assets or {}}))
    artifacts = {
        name: {
            "type": "aws:cloudformation:stack",
            "environment": "aws://unknown-account/us-west-2",
            "properties": {"templateFile": f"{name}.json", "stackName": f"fleet-{name.lower()}"},
            "dependencies": [f"{name}.assets", *(needs or {}).get(name, [])],
        }
        for name in templates
    }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return Assembly(environment="dev", folder=folder)


def test_stacks_that_aws_would_take_are_deployed_in_order_and_deleted(tmp_path: Path) -> None:
    name = {"Name": "/fleet/queue", "Type": "String", "Value": {"Ref": "Queue"}}
    foundation = {"Queue": QUEUE, "Name": {"Type": "AWS::SSM::Parameter", "Properties": name}}
    kept = {"Logs": {"Type": "AWS::Logs::LogGroup", "DeletionPolicy": "Retain", "Properties": {}}}
    both = {"Serving": {**endpoint(), "Component": component(), **kept}, "Foundation": foundation}
    app_assembly = assembly(tmp_path, both, needs={"Serving": ["Foundation"]})
    assert [part.artifact for part in stacks.ordered(app_assembly, {})] == ["Foundation", "Serving"]
    assert stacks.findings(app_assembly) == []


def test_a_refused_resource_is_a_finding_and_what_depends_on_its_stack_is_left_out(tmp_path: Path) -> None:
    lost = component(EndpointName="nobodys")
    app_assembly = assembly(
        tmp_path,
        {"First": {"Queue": QUEUE, "Lost": lost}, "Second": {"Queue": QUEUE}, "Third": {"Lost": lost}},
        needs={"Third": ["First"]},
    )
    (finding,) = stacks.findings(app_assembly)
    place = "dev/First: Lost (AWS::SageMaker::InferenceComponent) is not created: "
    assert finding.startswith(place)
    assert "nobodys" in finding.removeprefix(place)


def test_a_template_that_cloudformation_refuses_is_a_finding(tmp_path: Path) -> None:
    app_assembly = assembly(tmp_path, {"S": {"Queue": QUEUE}})
    changed = json.dumps({"Resources": {"Queue": {**QUEUE, "DependsOn": "Nowhere", "Properties": {"A": {"Ref": "B"}}}}})
    (finding,) = stacks.findings(app_assembly, changed={"S": changed}, only="S")
    assert finding.startswith("dev/S: CloudFormation refuses the template: ")
    assert "Unresolved resource dependencies ['B']" in finding


def test_a_resource_that_cannot_be_deleted_is_a_finding(tmp_path: Path) -> None:
    held = {**endpoint(), "Component": {**component(), "DeletionPolicy": "Retain"}}
    (finding,) = stacks.findings(assembly(tmp_path, {"Serving": held}))
    assert finding.startswith("dev/Serving: Endpoint (AWS::SageMaker::Endpoint) is not deleted: ")


def reading(folder: Path, *, needs: dict[str, list[str]]) -> Assembly:
    """Write an assembly of a stack that reads a parameter of SSM, and of one that writes it."""
    name = {"Name": "/fleet/queue", "Type": "String", "Value": {"Ref": "Queue"}}
    written = {"Queue": QUEUE, "Name": {"Type": "AWS::SSM::Parameter", "Properties": name}}
    app_assembly = assembly(folder, {"Writer": written, "Reader": {"Queue": QUEUE}}, needs=needs)
    template = json.loads((folder / "Reader.json").read_text())
    template["Parameters"]["Queue"] = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/fleet/queue"}
    (folder / "Reader.json").write_text(json.dumps(template))
    return app_assembly


def test_a_stack_that_reads_what_another_writes_has_to_depend_on_it(tmp_path: Path) -> None:
    (finding,) = stacks.findings(reading(tmp_path, needs={}))
    assert finding.startswith(
        "dev/Reader: the stack is in ROLLBACK_COMPLETE: Unable to fetch parameters [/fleet/queue]"
    )
    assert stacks.findings(reading(tmp_path, needs={"Reader": ["Writer"]})) == []


def test_resources_that_wait_for_each_other_by_their_order_alone_are_a_finding(tmp_path: Path) -> None:
    target = {
        "ServiceNamespace": "sagemaker",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
        "ResourceId": "inference-component/llama",
        "MinCapacity": 1,
        "MaxCapacity": 2,
    }
    named = {**endpoint(), "Component": component(InferenceComponentName="llama")}
    copies = {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": target}
    app_assembly = assembly(tmp_path, {"S": {**named, "Copies": copies}})
    (finding,) = stacks.findings(app_assembly)
    assert finding.startswith("dev/S: Copies (AWS::ApplicationAutoScaling::ScalableTarget) is not created: ")
    ordered = json.dumps({"Resources": {**named, "Copies": {**copies, "DependsOn": "Component"}}})
    assert stacks.findings(app_assembly, changed={"S": ordered}) == []


def test_properties_of_a_type_that_moto_implements_are_held_to_the_registry(tmp_path: Path) -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriods": 60}}
    (finding,) = stacks.findings(assembly(tmp_path, {"S": {"Queue": queue}}))
    assert finding.startswith("dev/S: Queue (AWS::SQS::Queue) is not created: Model validation failed (")
    assert "MessageRetentionPeriods" in finding


def test_one_stack_is_deployed_after_what_it_depends_on_alone(tmp_path: Path) -> None:
    lost = {"Lost": component(EndpointName="nobodys")}
    app_assembly = assembly(tmp_path, {"A": {"Queue": QUEUE}, "B": {"Queue": QUEUE}, "C": lost}, needs={"B": ["A"]})
    assert stacks.findings(app_assembly, only="B") == []
    assert len(stacks.findings(app_assembly, only="C")) == 1


def test_a_training_plan_that_a_template_names_has_been_bought(tmp_path: Path) -> None:
    reserved = {"MlReservationArn": PLAN, "CapacityReservationPreference": "capacity-reservations-only"}
    app_assembly = assembly(
        tmp_path, {"Serving": endpoint(CapacityReservationConfig=reserved, InstanceType="ml.p5.48xlarge")}
    )
    assert stacks.findings(app_assembly) == []


COPIES = """
import boto3

sagemaker = boto3.client("sagemaker")


def on_event(event, context):
    try:
        sagemaker.describe_inference_component(InferenceComponentName="llama")
    except sagemaker.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "AccessDeniedException":
            raise
    return {"PhysicalResourceId": "llama:3", "Data": {"Copies": event["ResourceProperties"]["Initial"]}}
"""


def trusting(service: str, *statements: dict[str, Any], **condition: Any) -> dict[str, Any]:
    """Return a role that a service may assume, and that these statements allow something."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": f"{service}.amazonaws.com"}}
    trust |= {"Condition": condition} if condition else {}
    properties: dict[str, Any] = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}}
    if statements:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        properties["Policies"] = [{"PolicyName": "own", "PolicyDocument": document}]
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def allowed(*actions: str, resource: Any = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


DESCRIBES = allowed("sagemaker:DescribeInferenceComponent")


def custom(
    folder: Path,
    *,
    handler: str = "index.on_event",
    code: str = COPIES,
    role: dict[str, Any] | None = None,
    kind: str = "Custom::CdkSglangCopies",
    **properties: Any,
) -> Assembly:
    """Write an assembly with a custom resource behind a function whose asset has one file, `index.py`."""
    (folder / "code").mkdir()
    (folder / "code" / "index.py").write_text(code)
    bucket = "cdk-hnb659fds-assets-${AWS::AccountId}-us-west-2"
    place = {"bucketName": bucket, "objectKey": "code.zip"}
    asset = {"source": {"path": "code", "packaging": "zip"}, "destinations": {"here": place}}
    function = {
        "Code": {"S3Bucket": {"Fn::Sub": bucket}, "S3Key": "code.zip"},
        "Handler": handler,
        "Runtime": "python3.13",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        **properties,
    }
    token = {"Fn::GetAtt": ["Function", "Arn"]}
    resources = {
        "Role": role or trusting("lambda", DESCRIBES),
        "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
        "Copies": {"Type": kind, "Properties": {"ServiceToken": token, "Initial": "3"}},
    }
    if kind == "Custom::CdkSglangCopies":
        value = {"Fn::GetAtt": ["Copies", "Copies"]}
        resources["Used"] = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}
    return assembly(folder, {"S": resources}, assets={"code": asset})


def test_a_custom_resource_is_answered_by_its_function(tmp_path: Path) -> None:
    assert stacks.findings(custom(tmp_path)) == []


def test_a_function_that_looks_at_what_is_not_here_does_not_run(tmp_path: Path) -> None:
    code = "raise SystemExit('it must not run')\n"
    assert stacks.findings(custom(tmp_path, code=code, kind="Custom::CdkSglangWeights")) == []


def test_a_function_that_may_not_do_what_it_does_is_a_finding(tmp_path: Path) -> None:
    (finding,) = stacks.findings(custom(tmp_path, role=trusting("lambda")))
    assert finding.startswith("dev/S: Copies (Custom::CdkSglangCopies) is not created: ")
    assert "is not authorized to perform: sagemaker:DescribeInferenceComponent" in finding


def test_a_function_that_ends_instead_of_answering_is_a_finding(tmp_path: Path) -> None:
    (finding,) = stacks.findings(custom(tmp_path, code="raise SystemExit('it ends')\n"))
    assert finding.endswith("SystemExit: it ends")


@pytest.mark.parametrize(
    ("statements", "refused"),
    [
        ([], "lambda:InvokeFunction"),
        ([allowed("lambda:InvokeFunction")], "lambda:GetFunction"),
        ([allowed("lambda:InvokeFunction", "lambda:GetFunction", resource="arn:aws:lambda:*:*:function:x")], "Invoke"),
        ([allowed("lambda:InvokeFunction", "lambda:GetFunction"), DESCRIBES], ""),
    ],
)
def test_the_frameworks_function_has_to_be_allowed_to_call_the_users(
    tmp_path: Path, statements: list[dict[str, Any]], refused: str
) -> None:
    """The framework's function and the user's are two functions of one asset here, with a role each."""
    app_assembly = custom(tmp_path)
    template = json.loads((tmp_path / "S.json").read_text())
    resources = template["Resources"]
    framework = json.loads(json.dumps(resources["Function"]))
    framework["Properties"]["Role"] = {"Fn::GetAtt": ["FrameworkRole", "Arn"]}
    named = {"USER_ON_EVENT_FUNCTION_ARN": {"Fn::GetAtt": ["Function", "Arn"]}}
    framework["Properties"]["Environment"] = {"Variables": named}
    resources |= {"FrameworkRole": trusting("lambda", *statements), "Framework": framework}
    resources["Copies"]["Properties"]["ServiceToken"] = {"Fn::GetAtt": ["Framework", "Arn"]}
    found = stacks.findings(app_assembly, changed={"S": json.dumps(template)})
    assert len(found) == bool(refused)
    assert all("is not authorized to perform: " in one and refused in one for one in found)


def test_a_custom_resource_whose_function_cannot_start_is_a_finding(tmp_path: Path) -> None:
    (finding,) = stacks.findings(custom(tmp_path, handler="other.on_event"))
    assert finding.startswith("dev/S: Copies (Custom::CdkSglangCopies) is not created: ")
    assert "Unable to import module 'other'" in finding


def with_role(role: dict[str, Any], resource_type: str, **properties: Any) -> dict[str, dict[str, Any]]:
    return {"Role": role, "One": {"Type": resource_type, "Properties": properties}}


MACHINE = {
    "DefinitionString": json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
    "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
}
MODEL = {
    "ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
    "PrimaryContainer": {"Image": "111122223333.dkr.ecr.us-west-2.amazonaws.com/sglang:1"},
}
SCHEDULE = {
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "ScheduleExpression": "rate(1 hour)",
    "Target": {"Arn": "arn:aws:sqs:us-west-2:123456789012:q", "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}},
}
ROLES = [
    ("AWS::StepFunctions::StateMachine", MACHINE, "states", [], "is authorized to assume the provided role"),
    ("AWS::SageMaker::Model", MODEL, "sagemaker", [allowed("ecr:*")], "Could not assume role arn:aws:iam::"),
    ("AWS::Scheduler::Schedule", SCHEDULE, "scheduler", [], "must allow AWS EventBridge Scheduler to assume the role"),
]


@pytest.mark.parametrize("case", ROLES, ids=[one[2] for one in ROLES])
def test_a_role_that_its_service_cannot_assume_is_refused_as_by_aws(
    tmp_path: Path, case: tuple[str, dict[str, Any], str, list[Any], str]
) -> None:
    kind, properties, service, statements, refusal = case
    here = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    elsewhere = {"StringEquals": {"aws:SourceAccount": "999988887777"}}
    another = {"ArnLike": {"aws:SourceArn": f"arn:aws:{service}:eu-central-1:123456789012:*"}}
    app_assembly = assembly(tmp_path, {"S": {"Queue": QUEUE}})
    for role, is_taken in (
        (trusting(service, *statements), True),
        (trusting(service, *statements, **here), True),
        (trusting("ec2", *statements), False),
        (trusting(service, *statements, **elsewhere), False),
        (trusting(service, *statements, **another), False),
    ):
        changed = json.dumps({"Resources": with_role(role, kind, **properties)})
        found = stacks.findings(app_assembly, changed={"S": changed})
        assert len(found) == (not is_taken), (role, found)
        assert all(refusal in one for one in found)


def test_a_lambda_role_is_refused_in_lambdas_words(tmp_path: Path) -> None:
    (finding,) = stacks.findings(custom(tmp_path, role=trusting("ec2", DESCRIBES)))
    assert "The role defined for the function cannot be assumed by Lambda." in finding


def test_a_role_that_may_not_do_what_its_service_tries_at_once_is_refused(tmp_path: Path) -> None:
    app_assembly = assembly(tmp_path, {"S": {"Queue": QUEUE}})
    without_pull = with_role(trusting("sagemaker", allowed("s3:GetObject")), "AWS::SageMaker::Model", **MODEL)
    (finding,) = stacks.findings(app_assembly, changed={"S": json.dumps({"Resources": without_pull})})
    assert "does not have BatchGetImage permission for the image" in finding
    dead = {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-west-2:123456789012:q"}}
    (finding,) = stacks.findings(custom(tmp_path, **dead))
    assert "does not have permissions to call SendMessage on SQS" in finding


def test_nothing_of_the_embedded_aws_is_left_in_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "111111111111")
    before = clock.clock(), settings.current()
    stacks.findings(assembly(tmp_path, {"S": {"Queue": QUEUE}}))
    assert (clock.clock(), settings.current()) == before
    assert os.environ["MOTO_ACCOUNT_ID"] == "111111111111"


def test_the_check_prints_findings_of_its_process_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], **_: Any) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", command[2:])
        return child.main(), "something that a library printed"

    monkeypatch.setattr(commands, "run", run)
    app_assembly = assembly(tmp_path, {"S": {"Lost": component(EndpointName="nobodys")}})
    outcome = checker.check([app_assembly])
    assert outcome.figures == "1 stacks with 1 resources, and deleted again"
    (problem,) = outcome.problems
    assert problem.startswith("dev/S: Lost (AWS::SageMaker::InferenceComponent) is not created: ")
    assert problem.endswith("; fix it, or tools/check/deployment and localcloud, if AWS would take it")


def test_an_embedded_aws_that_does_not_run_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = "Traceback (most recent call last):\n  File ...\nModuleNotFoundError: No module named 'moto'\n"
    monkeypatch.setattr(commands, "run", lambda *_, **__: (1, output))
    assert checker.check([assembly(tmp_path, {"S": {"Queue": QUEUE}})]).problems == [
        "the embedded AWS did not run: ModuleNotFoundError: No module named 'moto'; `python -m localcloud` starts it by hand"
    ]


def test_the_table_of_deployed_mutants_counts_those_that_nothing_else_finds() -> None:
    mutants = [Mutant("order", "dev", "S", "{}", found, what) for found, what in ((True, "a"), (False, "b"))]
    assert [line.split() for line in table(mutants, ["refused", "refused, too"])][1:] == [
        ["order", "2", "2", "1"],
        ["all", "2", "2", "1"],
        ["only", "the", "deployment", "finds", "b:", "refused,", "too"],
    ]
