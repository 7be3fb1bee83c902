"""Stacks of fleets whose components have drafts, and how the embedded AWS gets them without the CDK CLI."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

from cdk_sglang import (
    Alarms,
    Capacity,
    DraftModel,
    EagleOptimization,
    EagleTraining,
    InferenceEndpoint,
    ModelSource,
    NextN,
    Ngram,
    NoVerification,
    OptimizedComponent,
    ServingImage,
    Speculative,
)
from localcloud.aws import settings
from localcloud.aws.clock import Clock
from tests.localcloud.helpers import SESSION
from tests.support.hub_server import REVISION
from tests.support.speculative import (
    ACCOUNT,
    ASKED,
    ASSETS,
    BUCKET,
    DRAFTS,
    ELSEWHERE,
    HUB,
    LAYERS,
    LOOKUP,
    PLAIN,
    REGION,
    REPOSITORY,
    TYPE,
    base_prefix,
)

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
_DATASET: Final = f"s3://{BUCKET}/data/"
_CONCURRENCY: Final = (4,)
FLEETS: Final = {
    PLAIN: Speculative(eagle=EagleTraining(dataset=_DATASET, max_usd=200, concurrency=_CONCURRENCY)),
    ASKED: Speculative(
        eagle=EagleTraining(dataset=_DATASET, max_usd=200, concurrency=_CONCURRENCY, approval="required")
    ),
    ELSEWHERE: Speculative(draft=DraftModel(s3=f"s3://{BUCKET}/{DRAFTS}", concurrency=_CONCURRENCY)),
    HUB: Speculative(draft=DraftModel(hugging_face=REPOSITORY, revision=REVISION, concurrency=_CONCURRENCY)),
    LAYERS: Speculative(
        nextn=NextN(concurrency=_CONCURRENCY, num_steps=1, eagle_topk=1, num_draft_tokens=2, min_speedup=1.2)
    ),
    LOOKUP: Speculative(ngram=Ngram(concurrency=_CONCURRENCY, num_draft_tokens=8, gate_max_usd=50)),
}
"""The draft of each fleet, by the name of its endpoint."""


def synthesise(folder: Path, name: str) -> Path:
    """Synthesise a fleet and its pipeline, and return the folder of the assembly."""
    app = cdk.App(outdir=str(folder / "assembly"), analytics_reporting=False)
    env, speculative = cdk.Environment(account=ACCOUNT, region=REGION), FLEETS[name]
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
            s3.Bucket.from_bucket_name(stack, "Weights", BUCKET),
            base_prefix(name),
            model_id="XiaomiMiMo/MiMo-7B-Base" if name == LAYERS else "Qwen/Qwen3-8B",
            check=False,
        ),
        tp_size_by_type={TYPE: 1},
        copies=1,
        speculative=speculative,
    )
    pipeline = cdk.Stack(app, f"Drafts-{name}", env=env)
    asks = speculative.gate.approval == "required"
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
        alarms=Alarms(topic=sns.Topic.from_topic_arn(pipeline, "Topic", TOPIC)) if asks else None,
    )
    app.synth()
    return folder / "assembly"


def deploy(assembly: Path, name: str, clock: Clock) -> None:
    """Deploy a fleet and its pipeline through CloudFormation, as with a server, which custom resources answer to."""
    settings.configure(base_url="http://127.0.0.1:1")
    try:
        _deploy(assembly, name, clock)
    finally:
        settings.configure(base_url="")


def _deploy(assembly: Path, name: str, clock: Clock) -> None:
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
        while (found := _status(cloudformation, stack)).endswith("_IN_PROGRESS"):
            clock.advance(60, step_s=60)
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        assert found == "CREATE_COMPLETE", [event.get("ResourceStatusReason") for event in events]


def _status(cloudformation: Any, stack: str) -> str:
    (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return str(found["StackStatus"])
