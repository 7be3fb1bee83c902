"""`cdk-sglang agent eval|package|seed`: what they print and write, and what they say when they cannot.

A stand-in for uv writes the packages; moto is in CloudFormation's and DynamoDB's place.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from cdk_sglang.agents.package import build as building
from cdk_sglang.agents.patients import synthetic_patients
from cdk_sglang.cli import destination
from cdk_sglang.cli.agent import package
from cdk_sglang.cli.main import app
from cdk_sglang.errors import ConfigurationError
from tests.support.agents import agent_folder, stand_in_for_uv

TEMPLATE = {
    "Resources": {
        "Patients": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "patients",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "patient_id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "patient_id", "KeyType": "HASH"}],
            },
        }
    },
    "Outputs": {"PatientsTable": {"Value": {"Ref": "Patients"}}},
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with mock_aws():
        yield boto3.client("cloudformation", region_name="us-east-1")


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV", str(stand_in_for_uv(tmp_path)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return agent_folder(tmp_path / "agent", lock=f"package==1 --hash=sha256:{0:064}\n")


def run(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["agent", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


def patients() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = boto3.resource("dynamodb", region_name="us-east-1").Table("patients").scan()["Items"]
    return found


def test_seed_writes_invented_patients_and_the_same_ones_again(aws: Any) -> None:
    aws.create_stack(StackName="cdk-sglang-dev-agent", TemplateBody=json.dumps(TEMPLATE))
    assert run("seed", "--env", "dev", "--count", 60) == (0, "patients: 60 invented patients\n", "")
    first = sorted(patients(), key=lambda one: one["patient_id"])
    run("seed", "--env", "dev", "--count", 60)
    assert sorted(patients(), key=lambda one: one["patient_id"]) == first
    assert len(first) == 60
    run("seed", "--env", "dev", "--count", 60, "--seed", 1)
    assert len(patients()) == 120


def test_seed_says_that_there_is_no_agent(aws: Any) -> None:
    code, out, err = run("seed", "--env", "dev")
    assert (code, out) == (1, "")
    assert err == (
        "dev: there is no agent in us-east-1; write `agent: {enabled: true, component: …}` in environments/dev.yaml and deploy, or give "
        "another --region\n"
    )


def test_seed_says_that_the_agent_has_no_patients(aws: Any) -> None:
    template = {key: value for key, value in TEMPLATE.items() if key != "Outputs"}
    aws.create_stack(StackName="cdk-sglang-dev-agent", TemplateBody=json.dumps(template))
    code, _, err = run("seed", "--env", "dev")
    assert code == 1
    assert err.startswith("dev: its agent has no PatientsTable; that takes `agent: {tools: {reference: true}}` in ")


def test_seed_refuses_what_is_no_name() -> None:
    result = CliRunner().invoke(app, ["agent", "seed", "--env", "Dev_1"])
    assert isinstance(result.exception, ConfigurationError)
    assert "--env: 'Dev_1' is not allowed" in str(result.exception)


def test_patients_are_found_by_the_function_by_family_name() -> None:
    from cdk_sglang._runtime.clinical.patients import name_keys

    for patient in synthetic_patients(50):
        family = patient["name"].split(" ")[1]
        assert {name: patient[name] for name in ("name_prefix", "name_lower")} == name_keys(family, patient["name"])


def test_some_patients_share_a_name_and_none_a_date_with_it() -> None:
    patients = synthetic_patients(200)
    assert len({one["patient_id"] for one in patients}) == 200
    names = [one["name"] for one in patients]
    assert len(set(names)) < len(names)
    assert len({(one["name"], one["birth_date"]) for one in patients}) == 200


def test_package_prints_the_sizes_against_their_limits(agent: Path, tmp_path: Path) -> None:
    code, out, err = run("package", agent, "--output", tmp_path / "agent.zip", "--python", sys.executable)
    assert (code, err) == (0, "")
    path, sizes, start = out.partition(": ")[0], *out.partition(": ")[2].splitlines()
    assert path == str(tmp_path / "agent.zip")
    assert sizes == "0.0 of 250 MB zipped, 0.0 of 750 MB unzipped, 6 files, 1 arm64 binaries"
    assert start.startswith("loads in ")
    assert start.endswith(" of 30 seconds on this machine")


def test_package_fills_the_cache_of_deployments(agent: Path, tmp_path: Path) -> None:
    code, out, _ = run("package", agent)
    assert code == 0
    path = Path(out.partition(": ")[0])
    assert path.is_relative_to(tmp_path / "cache")
    assert path == building.cached_zip(building.AgentSources.read(agent), os.environ)


def test_package_refuses_an_agent_that_starts_too_slowly(agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "START_SECONDS", 0)
    code, _, err = run("package", agent, "--python", sys.executable)
    assert code == 1
    assert err.startswith("agent: loads in ")
    assert err.endswith("import less in main.py, or later\n")


SERVED = [("dev-chat", "dev-chat-llama"), ("dev-chat", "dev-chat-llama-triage"), ("dev-chat", "dev-chat-qwen")]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Command lines that `agent eval` starts, in a folder with an environment whose agent asks an adapter."""

    class Sagemaker:
        meta = types.SimpleNamespace(region_name="us-east-1")

        def get_paginator(self, _: str) -> Any:
            items = [{"EndpointName": one, "InferenceComponentName": name} for one, name in SERVED]
            return types.SimpleNamespace(paginate=lambda **_: [{"InferenceComponents": items}])

    command_lines: list[list[str]] = []

    def start(command: list[str], *, cwd: Path, check: bool) -> Any:
        assert (cwd.name, check) == ("agent", False)
        command_lines.append(command)
        return types.SimpleNamespace(returncode=-9 if "--show" in command else 1)

    monkeypatch.setattr(destination, "client", lambda *_, **__: Sagemaker())
    monkeypatch.setattr(subprocess, "run", start)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "environments").mkdir()
    text = "region: us-west-2\nagent: {component: chat/llama/triage}\n"
    (tmp_path / "environments" / "dev.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    return command_lines


def _options(command: list[str]) -> dict[str, Any]:
    """The options of a command line, as the program that it starts reads them."""
    assert command[:3] == [sys.executable, "-m", "evals"]
    read = importlib.import_module("evals.__main__")._options()
    return {name: value for name, value in vars(read.parse_args(command[3:])).items() if value is not None}


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["--env", "dev"], ("dev-chat", "dev-chat-llama-triage", "us-west-2")),
        (["--env", "dev", "--component", "chat/qwen"], ("dev-chat", "dev-chat-qwen", "us-west-2")),
        (["--endpoint", "e", "--component", "c"], ("e", "c", "eu-west-1")),
    ],
)
def test_eval_asks_the_agents_own_component_or_any_other(
    started: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    words: list[str],
    place: tuple[str, str, str],
) -> None:
    monkeypatch.syspath_prepend(str(root / "agent"))
    options = ["--gate", "0.9", "--baseline", "old.json", "--only", "emergency", "--only", "other-patient"]
    assert run("eval", *words, *options, "--python", sys.executable)[0] == 1
    ((command),) = started
    found = _options(command)
    assert (found["endpoint"], found["component"], found["region"]) == place
    assert (found["gate"], found["only"]) == (0.9, ["emergency", "other-patient"])
    assert found["baseline"] == Path.cwd() / "old.json"
    assert json.loads(found["tools"].read_text(encoding="utf-8"))["tools"]


def test_eval_does_not_take_a_program_that_was_killed_for_a_gate_that_says_no(started: list[list[str]]) -> None:
    assert run("eval", "--env", "dev", "--show", "--python", sys.executable)[0] == 2
    assert len(started) == 1


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ([], ["agent eval: give --env, or --endpoint and --component; one of them"]),
        (["--endpoint", "e"], ["agent eval: --endpoint and --component go together; give both"]),
        (
            ["--env", "dev", "--component", "chat/none"],
            [
                "agent eval: dev in us-east-1: 'chat/none' is not deployed; give --component, one of dev-chat-llama, dev-chat-llama-triage, dev-chat-qwen"
            ],
        ),
        (
            ["--env", "dev", "{folder}"],
            ["FOLDER: {folder} has no evals/__main__.py; name the folder of an agent with conversations"],
        ),
    ],
)
def test_eval_says_what_it_cannot_run_in_a_line(
    started: list[list[str]], tmp_path: Path, words: list[str], lines: list[str]
) -> None:
    arguments = [word.format(folder=tmp_path) for word in words]
    with pytest.raises(ConfigurationError) as refused:
        CliRunner().invoke(app, ["agent", "eval", *arguments, "--python", sys.executable], catch_exceptions=False)
    assert str(refused.value).splitlines() == [line.format(folder=tmp_path) for line in lines]
    assert started == []


@pytest.mark.usefixtures("started")
def test_eval_says_which_interpreter_is_missing(tmp_path: Path) -> None:
    words = ["agent", "eval", "--env", "dev", "--python", "none/python"]
    with pytest.raises(ConfigurationError) as refused:
        CliRunner().invoke(app, words, catch_exceptions=False)
    missing = tmp_path / "none" / "python"
    assert str(refused.value) == f"--python: {missing} does not exist; name an interpreter with the agent's packages"
