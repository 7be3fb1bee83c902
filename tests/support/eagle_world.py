"""An environment with one pipeline of drafts on the embedded AWS, and the commands that are run on it.

The state machine is a stand-in with the states' names of the real one (tests/support/eagle.py); stack, registry, bucket, parameters and
executions are those of the embedded AWS on a driven clock.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cdk_sglang.cli.eagle import options
from cdk_sglang.cli.main import app
from tests.localcloud.helpers import ROLE, SESSION
from tests.support import eagle
from tests.support.eagle import BUCKET, COMPONENT, ENVIRONMENT, PARAMETER, RUN, STACK, value_of

RUNS = re.compile(r"run (r[0-9]{8}T[0-9]{6}-[0-9a-f]{4}) has begun")


@dataclasses.dataclass
class World:
    """An environment with one pipeline."""

    clock: Any
    monkeypatch: pytest.MonkeyPatch
    machine: str = ""

    clients: dict[str, Any] = dataclasses.field(default_factory=dict)

    def client(self, name: str) -> Any:
        if name not in self.clients:
            self.clients[name] = SESSION.client(name)
        return self.clients[name]

    def deploy(self, definition: str, **changes: Any) -> None:
        states = self.client("stepfunctions")
        machine = states.create_state_machine(name=f"{COMPONENT}-speculative", definition=definition, roleArn=ROLE)
        self.machine = machine["stateMachineArn"]
        self.place(COMPONENT, **changes)
        self.client("s3").create_bucket(Bucket=BUCKET)
        self.client("cloudformation").create_stack(StackName=STACK, TemplateBody=eagle.template(), Parameters=[{"ParameterKey": "Other", "ParameterValue": "mine"}])  # fmt: skip
        self.client("sagemaker").create_model_package_group(ModelPackageGroupName=COMPONENT)

    def place(self, component: str, **changes: Any) -> None:
        name = f"/cdk-sglang/{ENVIRONMENT}/speculative/{component}"
        text = eagle.place(self.machine, component=component, **changes)
        self.client("ssm").put_parameter(Name=name, Type="String", Value=text)

    def put(self, key: str, content: object) -> None:
        self.client("s3").put_object(
            Bucket=BUCKET, Key=f"speculative/{COMPONENT}/{key}", Body=json.dumps(content).encode()
        )

    def register(self, run: str, *, approval: str = "Approved", whole: bool = True, **evidence: str) -> None:
        """A version as the pipeline registers it."""
        package = self.client("sagemaker").create_model_package(
            ModelPackageGroupName=COMPONENT,
            ModelPackageDescription=f"cdk-sglang speculative version {run}",
            ModelApprovalStatus=approval,
            InferenceSpecification={
                "Containers": [{"Image": "sglang:latest"}],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            CustomerMetadataProperties={"run": run, "parameter": PARAMETER, "value": value_of(run), **evidence},
        )
        assert package["ModelPackageArn"]
        if whole:
            self.put(f"versions/{run}/version.json", {"schema": 1})

    def serve(self, run: str) -> None:
        parameters = [
            {"ParameterKey": PARAMETER, "ParameterValue": value_of(run)},
            {"ParameterKey": "Other", "UsePreviousValue": True},
        ]
        self.client("cloudformation").update_stack(StackName=STACK, UsePreviousTemplate=True, Parameters=parameters)
        self.clock.advance(60)

    @property
    def serving(self) -> str:
        return str(self.client("ssm").get_parameter(Name="/serves")["Parameter"]["Value"])

    def start(self, *, run: str = RUN, reason: str = "start") -> str:
        began = self.client("stepfunctions").start_execution(
            stateMachineArn=self.machine, name=run, input=json.dumps({"run": run, "reason": reason})
        )
        return str(began["executionArn"])

    def run(self, *words: str, answer: str | None = None) -> Result:
        """Run a command; an answer is typed at what counts as a terminal."""
        self.monkeypatch.setattr(options, "_has_terminal", lambda: answer is not None)
        return CliRunner().invoke(app, ["eagle", words[0], "--env", ENVIRONMENT, "--region", "us-east-1", *words[1:]], input=answer)  # fmt: skip


def words_of(result: Result) -> str:
    return " ".join(result.output.split())


def waiting(world: World) -> str:
    world.deploy(eagle.definition())
    world.put(f"runs/{RUN}/report.json", eagle.report())
    arn = world.start()
    world.clock.advance(700)
    return arn
