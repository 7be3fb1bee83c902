"""Stacks of fleets whose components have drafts, and how the embedded AWS gets them without the CDK CLI."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

from cdk_sglang import (
    Alarms,
    Capacity,
    EagleOptimization,
    EagleTraining,
    InferenceEndpoint,
    ModelSource,
    NoVerification,
    OptimizedComponent,
    ServingImage,
    Speculative,
)
from tests.localcloud.helpers import SESSION
from tests.support.speculative import ACCOUNT, ASKED, ASSETS, BUCKET, PLAIN, REGION, TYPE

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"


def synthesise(folder: Path) -> Path:
    """Synthesise both fleets and their pipelines, and return the folder of the assembly."""
    app = cdk.App(outdir=str(folder / "assembly"), analytics_reporting=False)
    env = cdk.Environment(account=ACCOUNT, region=REGION)
    approvals: dict[str, Literal["none", "required"]] = {PLAIN: "none", ASKED: "required"}
    for name, approval in approvals.items():
        stack = cdk.Stack(app, f"Fleet-{name}", env=env)
        endpoint = InferenceEndpoint(
            stack,
            "Chat",
            capacity=Capacity.on_demand(TYPE, min_instances=1, max_instances=2),
            image=ServingImage.from_repository(
                ecr.Repository.from_repository_name(stack, "Images", "sglang"),
                digest=f"sha256:{'1' * 64}",
                cuda="13.0",
                sglang_version="0.5.17",
            ),
            endpoint_name=name,
            verification=NoVerification(reason="the tests look for themselves"),
        )
        component = endpoint.add_component(
            "llama",
            model=ModelSource.from_bucket(
                s3.Bucket.from_bucket_name(stack, "Weights", BUCKET), "base/", model_id="Qwen/Qwen3-8B", check=False
            ),
            tp_size_by_type={TYPE: 1},
            copies=1,
            speculative=Speculative(
                eagle=EagleTraining(
                    dataset=f"s3://{BUCKET}/data/",
                    max_usd=200,
                    approval=approval,
                    concurrency=(4,),
                )
            ),
        )
        pipeline = cdk.Stack(app, f"Drafts-{name}", env=env)
        EagleOptimization(
            pipeline,
            "Drafts",
            component=OptimizedComponent(
                plan=component.plan,
                endpoint_name=name,
                component_name=component.component_name,
                stack_name=stack.stack_name,
                execution_role_arn=f"arn:aws:iam::{ACCOUNT}:role/hosting",
            ),
            bucket=s3.Bucket.from_bucket_name(pipeline, "Weights", BUCKET),
            environment="prod",
            alarms=Alarms(topic=sns.Topic.from_topic_arn(pipeline, "Topic", TOPIC)) if approval == "required" else None,
        )
    app.synth()
    return folder / "assembly"


def deploy(assembly: Path, name: str) -> None:
    """Deploy a fleet and its pipeline through CloudFormation."""
    storage, cloudformation = SESSION.client("s3"), SESSION.client("cloudformation")
    for stack in (f"Fleet-{name}", f"Drafts-{name}"):
        for asset in json.loads((assembly / f"{stack}.assets.json").read_text())["files"].values():
            source = assembly / asset["source"]["path"]
            if source.is_dir():
                packed = shutil.make_archive(str(assembly / f"packed-{source.name}"), "zip", source)
                key = next(iter(asset["destinations"].values()))["objectKey"]
                storage.put_object(Bucket=ASSETS, Key=key, Body=Path(packed).read_bytes())
        cloudformation.create_stack(
            StackName=stack,
            TemplateBody=(assembly / f"{stack}.template.json").read_text(),
            Capabilities=["CAPABILITY_IAM"],
        )
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        assert found["StackStatus"] == "CREATE_COMPLETE", [event.get("ResourceStatusReason") for event in events]
