"""A stack that was deployed with CDK's provider framework is updated in place to functions that answer by themselves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_s3 as s3
from moto import mock_aws
from moto.sagemakerruntime.models import SageMakerRuntimeBackend

from cdk_sglang import Capacity, ComponentScaling, InferenceEndpoint, ModelSource, ServingImage
from localcloud.aws import clock as clocks
from localcloud.aws import extension, settings
from localcloud.aws.clock import Clock
from localcloud.aws.compute import functions
from tests.localcloud.helpers import SESSION
from tests.support.accounts import LARGE
from tests.support.functions import InProcess
from tests.support.speculative import base_files

ASSETS = "cdk-hnb659fds-assets-123456789012-us-east-1"
CALLED = "ProviderframeworkonEvent"
FORMER = {"CdkSglangWeightsCheck": "weights", "CdkSglangCopies": "copies", "CdkSglangTruth": "verification"}
"""Functions that the framework called, by the beginning of their ids."""


class Deployment:
    """The stack of an endpoint whose component scales, in an embedded AWS on a driven clock."""

    def __init__(self, clock: Clock, folder: Path) -> None:
        self._clock, self._folder = clock, folder
        self.runner = InProcess(clock, folder)
        self.cloudformation = SESSION.client("cloudformation")
        self.sagemaker = SESSION.client("sagemaker")
        storage = SESSION.client("s3")
        for bucket in ("weights", ASSETS):
            storage.create_bucket(Bucket=bucket)
        for name, content in {**base_files(), "tokenizer.json": b'{"model": {"vocab": {"a": 0}}}'}.items():
            storage.put_object(Bucket="weights", Key=f"base/{name}", Body=content)
        SESSION.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")

    def synth(self, name: str, **variables: str) -> dict[str, Any]:
        """Return the template, with its assets in place."""
        app = cdk.App(outdir=str(self._folder / name), analytics_reporting=False)
        stack = cdk.Stack(app, "Fleet", env=cdk.Environment(account="123456789012", region="us-east-1"))
        InferenceEndpoint(
            stack,
            "Chat",
            endpoint_name="fleet",
            capacity=Capacity.on_demand("ml.g6e.12xlarge", min_instances=1, max_instances=2),
            image=ServingImage.from_repository(
                ecr.Repository.from_repository_name(stack, "Images", "sglang"),
                digest=f"sha256:{'1' * 64}",
                cuda="13.0",
                sglang_version="0.5.17",
            ),
        ).add_component(
            "llama",
            model=ModelSource.from_bucket(s3.Bucket.from_bucket_name(stack, "Weights", "weights"), "base/"),
            scaling=ComponentScaling(min_copies=1, max_copies=2, concurrency=4),
            environment=variables,
        )
        folder = Path(app.synth().directory)
        self.publish(folder)
        template: dict[str, Any] = json.loads((folder / "Fleet.template.json").read_text())
        return template

    def publish(self, folder: Path) -> None:
        for asset in json.loads((folder / "Fleet.assets.json").read_text())["files"].values():
            source, destination = folder / asset["source"]["path"], next(iter(asset["destinations"].values()))
            if source.is_dir():
                source = Path(shutil.make_archive(str(self._folder / f"packed-{source.name}"), "zip", source))
            SESSION.client("s3").put_object(Bucket=ASSETS, Key=destination["objectKey"], Body=source.read_bytes())

    def deploy(self, template: dict[str, Any]) -> list[tuple[str, str]]:
        """Create or update the stack; return the requests to custom resources: kind and logical id."""
        self.runner.invocations.clear()
        exists = self.cloudformation.list_stacks()["StackSummaries"]
        deploy = self.cloudformation.update_stack if exists else self.cloudformation.create_stack
        deploy(StackName="Fleet", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
        while (status := self.status()).endswith("_IN_PROGRESS"):
            self._clock.advance(60, step_s=60)
        events = self.cloudformation.describe_stack_events(StackName="Fleet")["StackEvents"]
        reasons = [event["ResourceStatusReason"] for event in events if event.get("ResourceStatusReason")]
        assert status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}, reasons
        requests = [event for _, event in self.runner.invocations if "ResponseURL" in event]
        return list(dict.fromkeys((event["RequestType"], event["LogicalResourceId"]) for event in requests))

    def status(self) -> str:
        (stack,) = self.cloudformation.describe_stacks(StackName="Fleet")["Stacks"]
        return str(stack["StackStatus"])

    def copies(self) -> int:
        component = self.sagemaker.describe_inference_component(InferenceComponentName="fleet-llama")
        return int(component["RuntimeConfig"]["DesiredCopyCount"])

    def scale(self, copies: int) -> None:
        self.sagemaker.update_inference_component_runtime_config(
            InferenceComponentName="fleet-llama", DesiredRuntimeConfig={"CopyCount": copies}
        )
        SESSION.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="sagemaker",
            ResourceId="inference-component/fleet-llama",
            ScalableDimension="sagemaker:inference-component:DesiredCopyCount",
            SuspendedState={"DynamicScalingInSuspended": True},  # nobody sends requests here
        )
        self._clock.advance(600, step_s=60)


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    before, kept = clocks.clock(), settings.current()
    settings.configure()
    extension.install()
    clock = clocks.use(Clock(driven=True))
    answer = json.dumps({"choices": [{"message": {"content": "yes"}}]})
    monkeypatch.setattr(
        SageMakerRuntimeBackend, "invoke_endpoint", lambda *_, **__: (answer, "application/json", "AllTraffic", "")
    )
    with mock_aws():
        deployment = Deployment(clock, tmp_path)
        earlier = functions.use_runner(deployment.runner)
        settings.configure(base_url="http://127.0.0.1:1", quotas=LARGE)
        yield deployment
        functions.use_runner(earlier)
        clock.abandon()
    clocks.use(before)
    settings._current = kept


def former(template: dict[str, Any]) -> dict[str, Any]:
    """Return the template as it was with the framework, as far as CloudFormation sees it."""
    resources: dict[str, Any] = json.loads(json.dumps(template["Resources"]))
    for begins, source in FORMER.items():
        (name,) = (one for one in resources if one.startswith(f"{begins}{CALLED}"))
        framework = resources[name]
        own = json.loads(json.dumps(framework))
        own["Properties"]["Handler"] = f"{source}.handler.{'verify' if source == 'verification' else 'on_event'}"
        resources[f"{begins}Function"] = own
        framework["Properties"] |= {
            "Runtime": "nodejs22.x",
            "Handler": "framework.onEvent",
            "Architectures": ["x86_64"],
            "Environment": {"Variables": {"USER_ON_EVENT_FUNCTION_ARN": {"Fn::GetAtt": [f"{begins}Function", "Arn"]}}},
        }
    return template | {"Resources": resources}


def handlers() -> dict[str, str]:
    """Handlers of the functions that are there, by their names without the random end."""
    found = SESSION.client("lambda").list_functions()["Functions"]
    return {one["FunctionName"].rpartition("-")[0]: one["Handler"] for one in found}


def test_functions_change_in_place_and_no_custom_resource_is_asked(deployment: Deployment) -> None:
    template = deployment.synth("now")
    created = deployment.deploy(former(template))
    assert {kind for kind, _ in created} == {"Create"}
    assert len(created) == 3
    arns = {one["FunctionName"] for one in SESSION.client("lambda").list_functions()["Functions"]}
    deployment.scale(2)
    assert deployment.deploy(template) == []
    assert deployment.copies() == 2
    assert {handler.partition(".")[2] for handler in handlers().values()} == {"handler.answer"}
    assert len(handlers()) == 3
    assert {one["FunctionName"] for one in SESSION.client("lambda").list_functions()["Functions"]} < arns

    changed = deployment.deploy(deployment.synth("changed", A="b"))
    assert {kind for kind, _ in changed} <= {"Update", "Delete"}
    assert deployment.copies() == 2, "the function that answers by itself read them"
    assert deployment.deploy(former(template)), "and back, as a rollback of the update does"
    assert deployment.copies() == 2
    assert deployment.runner.broken == []


def test_another_service_token_is_refused_as_by_cloudformation(deployment: Deployment) -> None:
    template = deployment.synth("now")
    deployment.deploy(template)
    (name,) = (one for one in template["Resources"] if one.startswith(f"CdkSglangCopies{CALLED}"))
    moved = json.loads(json.dumps(template).replace(name, "Elsewhere"))
    with pytest.raises(AssertionError, match="Modifying service token is not allowed"):
        deployment.deploy(moved)
