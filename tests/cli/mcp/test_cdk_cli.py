"""`diff_environment` with the CDK CLI itself and the app of this repository, which the other tests replace."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cdk_sglang.cli.mcp.call import Outcome
from localcloud.aws.server import LocalCloud
from tests.support.assistants import ROOT, variables
from tests.support.unpacked import UNPACKED

ENVIRONMENT = {
    "account": "123456789012",
    "region": "us-east-1",
    "network": {"vpc": "none"},
    "alarms": {"none": "a test"},
    "endpoints": {
        "chat": {
            "capacity": {"type": "ml.g6e.2xlarge", "max_instances": 1},
            "components": {
                "llama": {
                    "model": {"id": "meta-llama/Llama-3.2-3B-Instruct", "s3": "s3://models/llama/"},
                    "server": {"context_length": 4096},
                }
            },
        }
    },
}


def test_the_real_cdk_cli_synthesises_and_leaves_the_folder_as_it_was(
    folder: Path,
    ask: Callable[..., Outcome],
    cloud: LocalCloud,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    for name, value in (variables(folder, cloud) | UNPACKED).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("PATH", os.pathsep.join([str(ROOT / "node_modules" / ".bin"), os.environ["PATH"]]))
    monkeypatch.setenv("CDK_DISABLE_CLI_TELEMETRY", "true")
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    (folder / "cdk.json").write_text(json.dumps({"app": f"{sys.executable} {ROOT / 'app.py'}", "context": context}))
    (folder / "environments" / "new.yaml").write_text(yaml.safe_dump(ENVIRONMENT))
    before = sorted(folder.rglob("*"))

    outcome = ask("diff_environment", environment="new")

    assert not outcome.is_error, outcome.text
    answer = outcome.content
    assert (answer["environment"], answer["changes"], answer["first_deployment"]) == ("new", True, True)
    (endpoint, component) = answer["items"]
    assert (endpoint["name"], component["name"]) == ("chat", "chat/llama")
    assert answer["usd_per_hour_after"] > 0
    assert sorted(folder.rglob("*")) == before
