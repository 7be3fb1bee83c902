"""What a real account asks of every stack of an environment, whatever is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from cdk_sglang.environments.reading import cdk_json_context, check
from stacks.fleet import add_fleet

REVISION = "0cb88a4f764b7a12671c53f0838cd831a0843b95"
KEY = "arn:aws:kms:us-east-1:444455556666:key/0e1c0a5e-0000-4000-8000-000000000000"
PLAN = "arn:aws:sagemaker:us-east-1:111122223333:training-plan/peak"

Resources = dict[str, dict[str, Any]]


def everything(on_delete: str) -> dict[str, Any]:
    llama = {
        "model": {
            "hugging_face": "meta-llama/Llama-3.2-3B-Instruct",
            "revision": REVISION,
            "token_secret": "hub",
            "token_kms_key": KEY,
        },
        "server": {"context_length": 8192},
        "scaling": {"min_copies": 1, "max_copies": 2},
    }
    qwen = {
        "model": {"id": "Qwen/Qwen3-8B", "s3": "s3://models/qwen/", "kms_key": KEY},
        "server": {"context_length": 8192},
    }
    reserved = {"training_plan": PLAN, "type": "ml.p5.48xlarge", "count": 1, "until": "2027-03-01"}
    return {
        "account": "111122223333",
        "region": "us-east-1",
        "network": {"vpc": "create"},
        "data": {"on_delete": on_delete},
        "image": {"build": {"digest": f"sha256:{'a' * 64}", "docker_hub_secret": "docker", "docker_hub_kms_key": KEY}},
        "observability": {"showback": {"enabled": True}},
        "endpoints": {
            "chat": {"capacity": {"type": "ml.g6e.12xlarge", "max_instances": 2}, "components": {"llama": llama}},
            "peak": {"capacity": {"reserved": reserved}, "components": {"qwen": qwen}},
        },
    }


def synthesised(content: dict[str, Any], folder: Path) -> dict[str, Resources]:
    app = cdk.App(context=cdk_json_context(Path(__file__).parents[2] / "cdk.json"), outdir=str(folder))
    settings = check(content, source="environments/test.yaml")
    env = cdk.Environment(account=settings.account, region=settings.region)
    add_fleet(app, name="test", settings=settings, source="environments/test.yaml", env=env)
    return {
        stack.stack_name: json.loads(Path(stack.template_full_path).read_text())["Resources"]
        for stack in app.synth().stacks
    }


@pytest.fixture(scope="module")
def destroyed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Resources]:
    return synthesised(everything("destroy"), tmp_path_factory.mktemp("destroyed"))


@pytest.fixture(scope="module")
def retained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Resources]:
    return synthesised(everything("retain"), tmp_path_factory.mktemp("retained"))


def of_kind(stacks: dict[str, Resources], prefix: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (stack, name): resource
        for stack, resources in stacks.items()
        for name, resource in resources.items()
        if resource["Type"].startswith(prefix)
    }


def test_every_custom_resource_has_an_end_to_its_wait(destroyed: dict[str, Resources]) -> None:
    found = of_kind(destroyed, "Custom::")
    assert {resource["Type"] for resource in found.values()} == {
        f"Custom::CdkSglang{name}" for name in ("Build", "Copies", "Emptied", "Reservation", "Truth", "Weights")
    }
    for place, resource in found.items():
        assert 0 < int(resource["Properties"]["ServiceTimeout"]) <= 3600, place


def test_a_service_takes_a_role_for_this_account_alone(retained: dict[str, Resources]) -> None:
    for place, role in of_kind(retained, "AWS::IAM::Role").items():
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        if trust["Principal"] != {"Service": "lambda.amazonaws.com"}:  # which takes it for functions that name it alone
            assert trust["Condition"]["StringEquals"]["aws:SourceAccount"] == "111122223333", place


def test_the_failures_of_calls_that_nobody_waits_for_are_kept(retained: dict[str, Resources]) -> None:
    """The reason beside LambdaDLQ: who calls sees a failure, and where nobody waits, a queue keeps it."""
    called = set()
    for (stack, _), rule in of_kind(retained, "AWS::Events::Rule").items():
        called |= {(stack, target["Arn"]["Fn::GetAtt"][0]) for target in rule["Properties"]["Targets"]}
    for (stack, _), schedule in of_kind(retained, "AWS::Scheduler::Schedule").items():
        called.add((stack, schedule["Properties"]["Target"]["Arn"]["Fn::GetAtt"][0]))
    assert called
    kept = {
        (stack, config["Properties"]["FunctionName"]["Ref"])
        for (stack, _), config in of_kind(retained, "AWS::Lambda::EventInvokeConfig").items()
        if "OnFailure" in config["Properties"]["DestinationConfig"]
    }
    kept |= {
        place
        for place, function in of_kind(retained, "AWS::Lambda::Function").items()
        if "DeadLetterConfig" in function["Properties"]
    }
    assert called <= kept


def test_what_a_waiter_calls_logs_to_a_group_of_its_own(retained: dict[str, Resources]) -> None:
    """The reason beside SF1: the waiter has no log, the framework's functions have."""
    functions = of_kind(retained, "AWS::Lambda::Function")
    framework = {place: one for place, one in functions.items() if "framework" in place[1]}
    assert framework
    for (stack, name), function in framework.items():
        group = function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        assert retained[stack][group]["Type"] == "AWS::Logs::LogGroup", name


def test_every_bucket_that_goes_with_its_stack_is_emptied_first(destroyed: dict[str, Resources]) -> None:
    for (stack, name), bucket in of_kind(destroyed, "AWS::S3::Bucket").items():
        if bucket["Type"] != "AWS::S3::Bucket":
            continue
        assert bucket["DeletionPolicy"] == "Delete"
        assert {"Key": "cdk-sglang:empty-on-delete", "Value": "true"} in bucket["Properties"]["Tags"]
        emptied = [
            resource
            for resource in destroyed[stack].values()
            if resource["Type"] == "Custom::CdkSglangEmptied" and resource["Properties"]["Bucket"] == {"Ref": name}
        ]
        assert len(emptied) == 1, (stack, name)
        policies = {key for key, one in destroyed[stack].items() if one["Type"] == "AWS::S3::BucketPolicy"}
        assert policies & set(emptied[0]["DependsOn"])  # CloudFormation deletes them after it


def test_a_bucket_that_is_kept_is_never_emptied(retained: dict[str, Resources]) -> None:
    assert of_kind(retained, "Custom::CdkSglangEmptied") == {}
    assert "cdk-sglang:empty-on-delete" not in str(retained)
