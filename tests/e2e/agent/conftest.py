"""The agent's stack on the embedded AWS, deployed by the unmodified CDK CLI: the real agent, gateway, Lambda function, table and bucket.

The model is a stand-in that follows a script (`localcloud/scripted.py`): what an agent does with tools takes a model that knows language. So the
endpoint and its component are made by boto3, and the component's copy is an entry without a process.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud import agent as local_agent
from localcloud import local
from localcloud.aws.server import LocalCloud
from localcloud.scripted import Answer, ScriptedModel, clinical_intake, standing_in
from tests.e2e.engine.conftest import ROOT, Fleet, component
from tests.localcloud.helpers import any_component, any_endpoint, eventually, in_service
from tests.support.accounts import LARGE

COMPONENT = "e2e-chat-tiny"


class AgentFleet(Fleet):
    """The environment `e2e` with its agent, and the command line of its users."""

    def __init__(self, cloud: LocalCloud, folder: Path) -> None:
        super().__init__(cloud, folder)
        self.script: Callable[[dict[str, Any]], Answer] = clinical_intake
        self.model = ScriptedModel(lambda body: self.script(body))  # noqa: PLW0108  the script changes

    def write_agent(self, **agent: Any) -> None:
        """Write the environment."""
        served = component(context_length=8192)
        served["server"]["tool_call_parser"] = "llama3"
        code = str(self.folder / "code")
        settings = {
            "enabled": True,
            "component": "chat/tiny",
            "code": code,
            "policy": "enforce",
            "memory": {"enabled": True},
        }
        self.write({"tiny": served}, agent=settings | agent)

    def outputs(self) -> dict[str, str]:
        """Outputs of the agent's stack."""
        return local.outputs(self.client("cloudformation"), "cdk-sglang-e2e-agent")

    def command(self, *words: str, columns: int = 100, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `cdk-sglang agent` as a user does."""
        program = [str(ROOT / ".venv/bin/cdk-sglang"), "agent", *words]
        variables = {
            **self.environment,
            "COLUMNS": str(columns),
            "PYTHONPATH": f"{ROOT / 'constructs'}{os.pathsep}{ROOT}",
        }
        stdin = "" if text is None else text
        return subprocess.run(
            program, cwd=ROOT, env=variables, input=stdin, capture_output=True, text=True, check=False, timeout=240
        )

    def reports(self) -> dict[str, str]:
        """Reports in the bucket, by key."""
        s3, bucket = self.client("s3"), self.outputs()["ReportsBucket"]
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys}

    def logs(self) -> str:
        """Everything that agent and tools have logged."""
        files = (self.folder / "state" / "logs").rglob("*.log")
        text = "\n".join(file.read_text() for file in files)
        logs = self.client("logs")
        for group in logs.describe_log_groups()["logGroups"]:
            events = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
            text += "\n".join(event["message"] for event in events)
        return text


def events(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Events of an answer with --json."""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentFleet]:
    folder = tmp_path_factory.mktemp("agent")
    with LocalCloud(
        port=0, state_dir=folder / "state", processes=False, endpoint_s=0.2, copy_start_s=0.2, quotas=LARGE
    ) as cloud:
        fleet = AgentFleet(cloud, folder)
        local_agent.code(ROOT / "agent", folder / "code")
        fleet.write_agent()
        bootstrapped = fleet.cdk("bootstrap", "aws://123456789012/us-east-1", app=None)
        assert bootstrapped.returncode == 0, bootstrapped.stdout + bootstrapped.stderr
        fleet.deploy("Foundation")
        sagemaker = fleet.client("sagemaker")
        any_endpoint(sagemaker, "e2e-chat")
        eventually(lambda: sagemaker.describe_endpoint(EndpointName="e2e-chat")["EndpointStatus"] == "InService")
        any_component(sagemaker, COMPONENT, endpoint="e2e-chat")
        in_service(sagemaker, COMPONENT)
        fleet.deploy("Agent", "--exclusively", app="made")
        seeded = fleet.command("seed", "--env", "e2e")
        assert seeded.returncode == 0, seeded.stderr
        secret = cloud.credentials.secret_access_key
        with fleet.model, standing_in(cloud.url, secret, COMPONENT, fleet.model):
            yield fleet


@pytest.fixture(autouse=True)
def script(fleet: AgentFleet) -> Iterator[None]:
    """Each test begins with the script of the clinical intake."""
    fleet.script = clinical_intake
    fleet.model.requests.clear()
    yield
    fleet.script = clinical_intake
