"""A small fleet that is deployed again and again by the unmodified CDK CLI, and looked at from outside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Protocol

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecr as ecr

from cdk_sglang import (
    AdapterSource,
    Capacity,
    ComponentRollout,
    ComponentScaling,
    Concurrency,
    InferenceEndpoint,
    LoraOptions,
    ModelSource,
    NoVerification,
    ServingImage,
    SglangOptions,
    Verification,
)
from tests.localcloud.helpers import eventually

LORA = SglangOptions(lora=LoraOptions(max_rank=16, target_modules=("all",)))
UNCHECKED = NoVerification(reason="this test looks for itself")


class Version(Protocol):
    """What a stack holds at one time."""

    def make(self, stack: cdk.Stack) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One version of the fleet."""

    variables: dict[str, str] = field(default_factory=dict)
    image: str = "1"
    """A digit that the digest of the image is made of."""
    max_instances: int = 3
    capacity: Capacity | None = None
    """Two to `max_instances` of one type when None."""
    tp_size_by_type: dict[str, int] = field(default_factory=dict)
    copies: int | None = None
    scaling: ComponentScaling | None = None
    rollout: ComponentRollout | None = None
    check: Verification | NoVerification = field(default_factory=Verification)
    siblings: dict[str, dict[str, str]] = field(default_factory=dict)
    adapters: dict[str, str] | None = None
    """Keys of archives in the bucket `models` by adapter; no LoRA when None."""

    def make(self, stack: cdk.Stack) -> None:
        endpoint = InferenceEndpoint(
            stack,
            "Chat",
            capacity=self.capacity
            or Capacity.on_demand("ml.g6e.12xlarge", min_instances=2, max_instances=self.max_instances),
            image=image_of(stack, self.image),
            endpoint_name="fleet",
            verification=self.check,
        )
        model = ModelSource.from_s3("s3://models/llama/", check=False)
        llama = endpoint.add_component(
            "llama",
            model=model,
            environment=self.variables,
            copies=self.copies,
            scaling=self.scaling,
            rollout=self.rollout,
            tp_size_by_type=self.tp_size_by_type,
            server=None if self.adapters is None else LORA,
        )
        for name, key in (self.adapters or {}).items():
            llama.add_adapter(name, AdapterSource.from_s3(f"s3://models/{key}"))
        for name, variables in self.siblings.items():
            endpoint.add_component(name, model=model, environment=variables, scaling=scaling(1, 2))


def image_of(stack: cdk.Stack, digit: str = "1") -> ServingImage:
    return ServingImage.from_repository(
        ecr.Repository.from_repository_name(stack, "Images", "sglang"),
        digest=f"sha256:{digit * 64}",
        cuda="13.0",
        sglang_version="0.5.17",
    )


def scaling(low: int = 1, high: int = 8) -> ComponentScaling:
    return ComponentScaling(min_copies=low, max_copies=high, target=Concurrency(requests_per_copy=5))


def located(region: str) -> dict[str, Any]:
    """Return how S3 is told the Region of a bucket, which it takes for none but us-east-1."""
    return {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}


def flat(done: CompletedProcess[str]) -> str:
    """What the CLI said, without the line breaks of its table."""
    return " ".join((done.stdout + done.stderr).split())


def _ends(event: dict[str, Any]) -> bool:
    return event["LogicalResourceId"] == "Fleet" and not event["ResourceStatus"].endswith("_IN_PROGRESS")


class Fleet:
    """Deploys versions, and says what is there."""

    def __init__(self, cdk_cli: Any, client: Any, folder: Path, region: str = "us-east-1") -> None:
        self._cdk, self.client, self._folder, self.region, self._runs = cdk_cli, client, folder, region, 0
        client("s3").create_bucket(Bucket=self._assets, **located(region))
        client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")

    @property
    def _assets(self) -> str:
        return f"cdk-hnb659fds-assets-123456789012-{self.region}"

    def synth(self, version: Version) -> str:
        self._runs += 1
        outdir = str(self._folder / f"assembly-{self.region}-{self._runs}")
        app = cdk.App(outdir=outdir, analytics_reporting=False)
        version.make(cdk.Stack(app, "Fleet", env=cdk.Environment(account="123456789012", region=self.region)))
        app.synth()
        return outdir

    def deploy(self, version: Version) -> CompletedProcess[str]:
        done: CompletedProcess[str] = self._cdk(
            "deploy", "Fleet", "--app", self.synth(version), "--require-approval", "never"
        )
        return done

    def deployed(self, version: Version) -> None:
        """Deploy what is expected to work, without the CLI, which takes most of the time."""
        reasons = self.apply(version)
        assert self.status() in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), reasons

    def apply(self, version: Version) -> list[str]:
        """Bring the stack to a version through CloudFormation, and return why its resources failed."""
        outdir = Path(self.synth(version))
        for name, asset in json.loads((outdir / "Fleet.assets.json").read_text())["files"].items():
            source = outdir / asset["source"]["path"]
            if source.is_dir():
                place = next(iter(asset["destinations"].values()))
                packed = shutil.make_archive(str(outdir / f"packed-{name}"), "zip", source)
                self.client("s3").put_object(
                    Bucket=self._assets, Key=place["objectKey"], Body=Path(packed).read_bytes()
                )
        cloudformation = self.client("cloudformation")
        there = self.is_there()
        change = cloudformation.update_stack if there else cloudformation.create_stack
        before = set() if not there else {event["EventId"] for event in self.all_events()}
        change(
            StackName="Fleet",
            TemplateBody=(outdir / "Fleet.template.json").read_text(),
            Capabilities=["CAPABILITY_IAM"],
        )

        def new() -> list[dict[str, Any]]:
            return [event for event in self.all_events() if event["EventId"] not in before]

        eventually(lambda: any(_ends(event) for event in new()), within_s=180)
        return [event["ResourceStatusReason"] for event in new() if event["ResourceStatus"].endswith("_FAILED")]

    def is_there(self) -> bool:
        """Whether the stack was deployed before."""
        states = ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"]
        return bool(self.client("cloudformation").list_stacks(StackStatusFilter=states)["StackSummaries"])

    def all_events(self) -> list[dict[str, Any]]:
        pages = self.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName="Fleet")
        return [event for page in pages for event in page["StackEvents"]]

    def ask(self, component: str = "fleet-llama") -> dict[str, Any]:
        answer = self.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="fleet", InferenceComponentName=component, ContentType="application/json", Body=b"{}"
        )
        body: dict[str, Any] = json.loads(answer["Body"].read())
        return body

    def variable(self, name: str) -> str | None:
        value: str | None = self.ask()["environment"].get(name)
        return value

    def component(self, name: str = "fleet-llama") -> Any:
        return self.client("sagemaker").describe_inference_component(InferenceComponentName=name)

    def copies(self, name: str = "fleet-llama") -> tuple[int, int]:
        runtime = self.component(name)["RuntimeConfig"]
        return runtime["DesiredCopyCount"], runtime["CurrentCopyCount"]

    def scale(self, copies: int, name: str = "fleet-llama") -> None:
        """As Application Auto Scaling does it."""
        self.client("sagemaker").update_inference_component_runtime_config(
            InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": copies}
        )

    def config(self) -> str:
        return str(self.client("sagemaker").describe_endpoint(EndpointName="fleet")["EndpointConfigName"])

    def status(self) -> str:
        (stack,) = self.client("cloudformation").describe_stacks(StackName="Fleet")["Stacks"]
        return str(stack["StackStatus"])

    def events(self, fragment: str) -> list[str]:
        """States of the resources whose logical id has this in it, oldest first."""
        return [
            event["ResourceStatus"] for event in reversed(self.all_events()) if fragment in event["LogicalResourceId"]
        ]


@pytest.fixture
def fleet(cdk_cli: Callable[..., Any], client: Any, tmp_path: Path) -> Fleet:
    client("s3").create_bucket(Bucket="models")
    client("s3").put_object(Bucket="models", Key="llama/config.json", Body=b"{}")
    return Fleet(cdk_cli, client, tmp_path)
