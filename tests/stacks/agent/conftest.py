"""The agent's stack of two environments: the plain one, and one with everything; each synthesised once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from cdk_sglang.environments.reading import cdk_json_context
from cdk_sglang.environments.settings import Environment
from stacks.checks import add_checks
from stacks.fleet import add_fleet
from tests.support.agents import NAME, VISITS, Synthesise, agent_folder, content


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return agent_folder(tmp_path_factory.mktemp("agent"))


@pytest.fixture(scope="session")
def synthesise(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesise:
    def run(content: dict[str, Any], *, checks: bool = False, into: Path | None = None) -> dict[str, dict[str, Any]]:
        out = into or tmp_path_factory.mktemp("cdk.out")
        app = cdk.App(context=cdk_json_context(root / "cdk.json"), outdir=str(out))
        settings = Environment.model_validate(content)
        env = cdk.Environment(account=settings.account, region=settings.region)
        add_fleet(app, name="test", settings=settings, source="test.yaml", env=env)
        if checks:
            add_checks(app)
        return {
            stack.stack_name: json.loads(Path(stack.template_full_path).read_text()) for stack in app.synth().stacks
        }

    return run


@pytest.fixture(scope="session")
def plain(synthesise: Synthesise, folder: Path) -> dict[str, Any]:
    return synthesise(content(folder))[NAME]


@pytest.fixture(scope="session")
def everything(synthesise: Synthesise, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    schema = tmp_path_factory.mktemp("visits") / "visits.json"
    tool = {"name": "book-visit", "description": "Books.", "inputSchema": {"type": "object", "properties": {}}}
    schema.write_text(json.dumps([tool]))
    (folder / "requirements-mlflow.lock").write_text("# --hash=sha256: more\n")
    settings = content(
        folder,
        component="chat/llama/triage",
        model_api="openai",
        memory={"enabled": True, "expiry_days": 30},
        tools={"own": {"visits": {"function_arn": VISITS, "schema": str(schema)}}},
        policy="enforce",
        authorizer={
            "jwt": {
                "discovery_url": "https://id.example.com/.well-known/openid-configuration",
                "allowed_clients": ["app"],
                "allowed_audience": ["agent"],
            }
        },
        network="vpc",
        session={"idle_minutes": 5, "max_hours": 1},
        endpoints={"stable": 3},
        prompt_version="v2",
        answer_tokens=512,
        mlflow=True,
    )
    settings["network"] = {"vpc": "create"}
    settings["data"] = {"on_delete": "destroy"}
    return synthesise(settings)[NAME]
