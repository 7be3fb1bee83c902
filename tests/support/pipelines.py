"""A component with a draft and its pipeline, in one stack."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from cdk_sglang import (
    Alarms,
    Capacity,
    EagleTraining,
    InferenceComponent,
    InferenceEndpoint,
    ModelSource,
    NoVerification,
    OptimizedComponent,
    ServingImage,
    SglangOptions,
    Speculative,
    SpeculativeOptimization,
)
from cdk_sglang.spec.model import Model
from tests.support.policies import policies_of

MODEL = "meta-llama/Llama-3.1-8B-Instruct"
COMPONENT = "prod-chat-llama"


class Pipeline:
    """An endpoint prod-chat with the component llama, and the pipeline of its drafts.

    Args:
        speculative: The draft; one that is trained on built-in data by default.
        asks: Whether there is a topic to ask.
        model: The model; in the weights bucket by default.
        **options: Options of the pipeline.
    """

    def __init__(
        self, speculative: Speculative | None = None, *, asks: bool = False, model: Model | None = None, **options: Any
    ) -> None:
        self.stack = cdk.Stack(cdk.App(), "Fleet", env=cdk.Environment(account="111122223333", region="us-east-1"))
        key = kms.Key(self.stack, "Key")
        self.bucket = s3.Bucket.from_bucket_attributes(
            self.stack, "Weights", bucket_name="weights-bucket", encryption_key=key
        )
        topic = sns.Topic(self.stack, "Topic")
        self.endpoint = InferenceEndpoint(
            self.stack,
            "Chat",
            capacity=Capacity.on_demand("ml.g6e.12xlarge", max_instances=2),
            image=ServingImage.from_dlc(),
            endpoint_name="prod-chat",
            verification=NoVerification(reason="tests/serving/component/test_promoted.py is about it"),
        )
        self.component: InferenceComponent = self.endpoint.add_component(
            "llama",
            model=ModelSource.from_bucket(self.bucket, "weights/llama/", model_id=MODEL, check=False)
            if model is None
            else ModelSource(model, bucket=self.bucket, check=False),
            server=SglangOptions(tp_size=1, context_length=8192),
            speculative=speculative or Speculative(eagle=EagleTraining(dataset="built_in", max_usd=200)),
        )
        self.pipeline = SpeculativeOptimization(
            self.stack,
            "Drafts",
            component=OptimizedComponent.of(self.component),
            bucket=self.bucket,
            environment="prod",
            alarms=Alarms(topic=topic) if asks else None,
            **options,
        )

    def template(self) -> Template:
        return Template.from_stack(self.stack)

    def own(self, kind: str) -> dict[str, Any]:
        """Return resources of the pipeline by logical id."""
        found = self.template().find_resources(kind)
        return {name: one["Properties"] for name, one in found.items() if name.startswith("Drafts")}

    def policies(self) -> dict[str, Any]:
        """Return the policies of the pipeline's roles, by logical id or by that of their role."""
        found = policies_of(self.template())
        return {name: one["Properties"] for name, one in found.items() if name.startswith("Drafts")}

    def states(self) -> dict[str, Any]:
        """Return the states of the machine."""
        (machine,) = self.own("AWS::StepFunctions::StateMachine").values()
        states: dict[str, Any] = json.loads(flat(machine["DefinitionString"]))["States"]
        return states

    def config(self, function: str = "DraftsCheckInputs") -> dict[str, Any]:
        """Return what a function is told."""
        (text,) = (
            one["Environment"]["Variables"]["CONFIG"]
            for name, one in self.own("AWS::Lambda::Function").items()
            if name.startswith(function)
        )
        config: dict[str, Any] = json.loads(flat(text))
        return config

    def rights(self, group: str) -> dict[str, list[Any]]:
        """Return resources by action of a group's role."""
        found: dict[str, list[Any]] = {}
        for name, policy in self.policies().items():
            if not name.startswith(f"Drafts{group}Role"):
                continue
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                resources = (
                    statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
                )
                for action in actions:
                    found.setdefault(action, []).extend(map(flat, resources))
        return found


def flat(value: Any) -> str:
    """Return a text whose references are written as <LogicalId>."""
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(flat, parts))
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case _:
            return json.dumps(value)
