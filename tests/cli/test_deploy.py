"""`cdk-sglang deploy` with a CDK CLI and an S3 of the test's own: order, words, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from moto import mock_aws
from typer.testing import CliRunner

from cdk_sglang.cli import deploy, synth, weights, weights_wait
from cdk_sglang.cli.assembly import Stack, Weights, read_assembly
from cdk_sglang.cli.diff import deployed
from cdk_sglang.cli.main import app
from cdk_sglang.errors import ConfigurationError

BUCKET = {"Ref": "Bucket"}
PARAMETERS = {"Bucket": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-sglang/dev/weights-bucket"}}
LLAMA, QWEN = "weights/llama/", "weights/Qwen/Qwen3-8B/"
NOT_THERE = ("holds no file; is the prefix right, and the model there?",)


def model(prefix: str) -> dict[str, Any]:
    return {"Fn::Join": ["", ['{"bucket": "', BUCKET, f'", "prefix": "{prefix}", "expected_bytes": 1}}']]}


def check_of(*models: object) -> dict[str, Any]:
    return {"Type": "Custom::CdkSglangWeights", "Properties": {"Models": list(models)}}


def adapter(url: object) -> dict[str, Any]:
    specification = {"BaseInferenceComponentName": "base", "Container": {"ArtifactUrl": url}}
    return {"Type": "AWS::SageMaker::InferenceComponent", "Properties": {"Specification": specification}}


def in_bucket(key: str) -> dict[str, Any]:
    return {"Fn::Join": ["", ["s3://", BUCKET, f"/{key}"]]}


def write_assembly(folder: Path, serving: dict[str, dict[str, Any]]) -> None:
    """What `cdk synth` leaves of a foundation and serving stacks."""
    folder.mkdir(parents=True, exist_ok=True)
    artifacts: dict[str, Any] = {"Tree": {"type": "cdk:tree", "properties": {"file": "tree.json"}}}
    for name, resources in {"Foundation": {}, **serving}.items():
        template = {"Parameters": PARAMETERS, "Resources": resources}
        (folder / f"{name}.template.json").write_text(json.dumps(template))
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "displayName": name,
            "environment": "aws://unknown-account/us-east-1",
            "properties": {"templateFile": f"{name}.template.json", "stackName": f"cdk-sglang-dev-{name.lower()}"},
        }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))


@dataclass
class World:
    """A CDK CLI that writes an assembly, and a bucket; `events` is what happened, in order."""

    serving: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failing: str = ""
    events: list[str] = field(default_factory=list)
    commands: list[list[str]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    on_pause: Callable[[], None] = lambda: None
    terminal: bool = True
    deployed: list[Stack] = field(default_factory=list)
    readable: bool = True

    def read(self, stacks: Sequence[Stack], *, environment: str) -> tuple[list[Stack], Sequence[Stack]]:
        assert environment in {"dev", "local"}
        if not self.readable:
            typer.echo("cloudformation:GetTemplate: not allowed", err=True)
            raise typer.Exit(1)
        return self.deployed, stacks

    def cdk(self, command: Sequence[str]) -> int:
        self.commands.append(list(command))
        operation = " ".join(word for word in command[1:5] if not word.startswith("-"))
        self.events.append(operation)
        if self.failing and self.failing in operation:
            return 1
        if command[1] == "synth":
            write_assembly(Path(command[command.index("--output") + 1]), self.serving)
        return 0

    def problems(self, weights: Weights) -> Sequence[str]:
        if f"look {weights.key}" not in self.events[-1:]:
            self.events.append(f"look {weights.key}")
        return self.missing.get(weights.key, ())

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.on_pause()

    def now(self) -> float:
        return sum(self.pauses)

    def run(self, *arguments: str, answer: str = "") -> Any:
        return CliRunner().invoke(app, ["deploy", "--env", "dev", *arguments], input=answer)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(serving={"Serving-chat": {"Check": check_of(model(LLAMA))}})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(synth, "run_cdk", world.cdk)
    monkeypatch.setattr(synth, "run_synth", world.cdk)
    monkeypatch.setattr(synth, "cdk_program", lambda _: "cdk")
    monkeypatch.setattr(deployed, "deployed_stacks", world.read)
    monkeypatch.setattr(weights_wait.Bucket, "problems", lambda _, weights: world.problems(weights))
    monkeypatch.setattr(weights_wait.Bucket, "_name", lambda *_: "the-bucket")
    monkeypatch.setattr(deploy, "_has_terminal", lambda: world.terminal)
    monkeypatch.setattr(
        deploy,
        "wait_for",
        lambda *arguments, **more: weights_wait.wait_for(*arguments, **more, now=world.now, sleep=world.sleep),
    )
    return world


def test_the_foundation_comes_first_then_the_weights_then_the_fleet(world: World) -> None:
    done = world.run()
    assert done.exit_code == 0, done.output
    assert world.events == ["synth", "deploy Foundation", f"look {LLAMA}", "deploy Serving-chat"]
    assert world.commands[0] == [
        "cdk", "synth", "--quiet", "--no-lookups", "--no-notices", "-c", "env=dev", "--output", "cdk.out/dev",
    ]  # fmt: skip
    same = ["--exclusively", "--import-existing-resources", "--no-notices", "--app", "cdk.out/dev"]
    assert world.commands[1:] == [["cdk", "deploy", "Foundation", *same], ["cdk", "deploy", "Serving-chat", *same]]


def test_weights_that_are_missing_are_waited_for_and_said_with_the_command_that_brings_them(world: World) -> None:
    world.serving["Serving-chat"] |= {"Check": check_of(model(LLAMA), model(QWEN))}
    world.missing = {LLAMA: NOT_THERE, QWEN: ("config.json: missing",)}

    def bring() -> None:
        if len(world.pauses) == 2:
            del world.missing[LLAMA]
        if len(world.pauses) == 3:
            world.missing[QWEN] = ("model-00002-of-00002.safetensors: missing; 1 of 2 shards are there",)
        if len(world.pauses) == 4:
            world.missing.clear()

    world.on_pause = bring
    done = world.run()
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "foundation: cdk-sglang-dev-foundation",
        "weights: 0 of 2 complete",
        "missing: s3://the-bucket/weights/llama/, which cdk-sglang-dev-serving-chat serves:",
        "  holds no file; is the prefix right, and the model there?",
        "  upload with: aws s3 sync ./llama/ s3://the-bucket/weights/llama/",
        "missing: s3://the-bucket/weights/Qwen/Qwen3-8B/, which cdk-sglang-dev-serving-chat serves:",
        "  config.json: missing",
        "  upload with: aws s3 sync ./Qwen3-8B/ s3://the-bucket/weights/Qwen/Qwen3-8B/",
        "waiting up to 60 minutes; Ctrl-C stops, and the same command continues from here",
        "complete: s3://the-bucket/weights/llama/",
        "still missing: s3://the-bucket/weights/Qwen/Qwen3-8B/: model-00002-of-00002.safetensors: missing; 1 of 2 shards are there",
        "complete: s3://the-bucket/weights/Qwen/Qwen3-8B/",
        "fleet: cdk-sglang-dev-serving-chat",
    ]
    assert world.events[-1] == "deploy Serving-chat"


def test_waiting_ends_and_looks_less_and_less_often(world: World) -> None:
    world.missing = {LLAMA: NOT_THERE}
    done = world.run("--wait-minutes", "30")
    assert done.exit_code == 1
    assert "deploy Serving-chat" not in world.events
    assert done.stderr == ("deploy: weights are missing after 30 minutes; upload them and run the same command again\n")
    assert sum(world.pauses) == 30 * 60
    assert (world.pauses[0], max(world.pauses)) == (5, 60)
    assert world.pauses[:-1] == sorted(world.pauses[:-1])


def test_without_a_terminal_nobody_waits_unless_told_to(world: World) -> None:
    world.missing, world.terminal = {LLAMA: NOT_THERE}, False
    done = world.run()
    assert (done.exit_code, world.pauses) == (1, [])
    assert "  upload with: aws s3 sync ./llama/ s3://the-bucket/weights/llama/" in done.stdout.splitlines()
    assert done.stderr == ("deploy: weights are missing; upload them and run the same command again, or give --wait\n")
    world.on_pause = world.missing.clear
    assert world.run("--wait").exit_code == 0
    assert world.pauses == [5]


def test_ctrl_c_while_waiting_is_one_line_and_exit_code_1(world: World) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    world.missing, world.on_pause = {LLAMA: NOT_THERE}, interrupt
    done = world.run()
    assert done.exit_code == 1
    assert done.stderr.strip() == (
        "deploy: stopped; CloudFormation finishes the stacks it has begun, and the same command continues from here"
    )


@pytest.mark.parametrize(
    ("failing", "code", "message", "happened"),
    [
        ("synth", 2, "deploy: dev cannot be synthesised, see above; nothing was deployed\n", ["synth"]),
        (
            "deploy Foundation",
            1,
            "deploy: the CDK CLI failed, see above; the same command continues from here\n",
            ["synth", "deploy Foundation"],
        ),
        (
            "deploy Serving-chat",
            1,
            "deploy: the CDK CLI failed, see above; the same command continues from here\n",
            ["synth", "deploy Foundation", f"look {LLAMA}", "deploy Serving-chat"],
        ),
    ],
)
def test_a_step_that_fails_ends_it_and_the_next_run_goes_through(
    world: World, failing: str, code: int, message: str, happened: list[str]
) -> None:
    world.failing = failing
    done = world.run()
    assert (done.exit_code, done.stderr, world.events) == (code, message, happened)
    world.failing = ""
    assert world.run().exit_code == 0


@pytest.mark.parametrize(
    ("steps", "happened"),
    [
        (["foundation"], ["synth", "deploy Foundation"]),
        (["weights"], ["synth", f"look {LLAMA}"]),
        (["fleet"], ["synth", "deploy Serving-chat"]),
        (["weights", "fleet"], ["synth", f"look {LLAMA}", "deploy Serving-chat"]),
    ],
)
def test_steps_can_be_chosen(world: World, steps: list[str], happened: list[str]) -> None:
    done = world.run(*(word for step in steps for word in ("--step", step)))
    assert (done.exit_code, world.events) == (0, happened)


def test_yes_is_handed_on_and_so_is_the_folder_of_environments(world: World) -> None:
    assert world.run("--yes", "--environments", "elsewhere").exit_code == 0
    assert "environments=elsewhere" in world.commands[0]
    assert all(command[-2:] == ["--require-approval", "never"] for command in world.commands[1:])


@pytest.mark.parametrize("name", ["", "a b", "../dev", "dev/", "-c", "dev.yaml;x"])
def test_what_is_no_name_is_refused_before_anything_runs(world: World, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--env: "):
        CliRunner().invoke(app, ["deploy", "--env", name], catch_exceptions=False)
    assert world.events == []


@pytest.mark.parametrize(
    "endpoint", [None, "https://cloudformation.us-east-1.amazonaws.com", "http://evil.localhost:1"]
)
def test_the_local_environment_never_goes_to_aws(
    world: World, monkeypatch: pytest.MonkeyPatch, endpoint: str | None
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if endpoint is not None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(ConfigurationError, match="deploy it with `make local`; for AWS name another one"):
        CliRunner().invoke(app, ["deploy", "--env", "local"], catch_exceptions=False)
    assert world.events == []
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
    assert CliRunner().invoke(app, ["deploy", "--env", "local"]).exit_code == 0


def test_no_cdk_cli_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "cdk.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="the CDK CLI is not installed; run `make setup`"):
        CliRunner().invoke(app, ["deploy", "--env", "dev"], catch_exceptions=False)


@pytest.mark.parametrize(
    "words",
    [
        ["synth", "--env", "dev"],
        ["deploy", "--env", "dev"],
        ["diff", "--env", "dev"],
        ["diff", "--env", "dev", "--against", "main"],
    ],
)
def test_a_folder_without_an_app_is_one_line_with_the_next_step(
    words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CDK_APP", raising=False)
    with pytest.raises(ConfigurationError) as refused:
        CliRunner().invoke(app, words, catch_exceptions=False)
    line = f"{words[0]}: this folder holds no app (no cdk.json), and the stacks are made by one; run it in a checkout of cdk-sglang, with "
    assert list(refused.value.problems) == [f"{line}--environments PATH for environments that are elsewhere"]
    monkeypatch.setenv("CDK_APP", "python app.py")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="the CDK CLI is not installed"):
        CliRunner().invoke(app, words, catch_exceptions=False)


# --- what changes -----------------------------------------------------------------------------------------------------


def component(name: str) -> dict[str, Any]:
    properties = {"InferenceComponentName": name, "EndpointName": {"Fn::GetAtt": ["Chat", "EndpointName"]}}
    return {"Type": "AWS::SageMaker::InferenceComponent", "Properties": properties}


CHAT = {"Type": "AWS::SageMaker::Endpoint", "Properties": {"EndpointName": "dev-chat"}}


@pytest.fixture
def updated(world: World) -> World:
    """A world in which the next deployment removes a component of a deployed endpoint."""
    before = {"Chat": CHAT, "Llama": component("dev-chat-llama"), "Qwen": component("dev-chat-qwen")}
    name = "cdk-sglang-dev-serving-chat"
    world.deployed = [Stack(id=name, name=name, region="us-east-1", template={"Resources": before})]
    world.serving["Serving-chat"] = {name: before[name] for name in ("Chat", "Llama")}
    return world


def test_on_a_terminal_somebody_agrees_to_what_goes_before_anything_is_deployed(updated: World) -> None:
    done = updated.run(answer="n\n")
    assert done.exit_code == 1
    assert updated.events == ["synth"]
    lines = done.stdout.splitlines()
    assert "dev-chat/qwen: removed" in lines
    assert lines[lines.index("to confirm:") + 1] == "  dev-chat/qwen: removed"
    assert done.stderr == "deploy: nothing was deployed\n"
    updated.events.clear()
    assert updated.run(answer="y\n").exit_code == 0
    assert updated.events == ["synth", "deploy Foundation", "deploy Serving-chat"]


@pytest.mark.parametrize(("terminal", "arguments"), [(False, []), (True, ["--yes"])])
def test_ci_and_yes_are_told_and_not_asked(updated: World, terminal: bool, arguments: list[str]) -> None:
    updated.terminal = terminal
    done = updated.run(*arguments)
    assert done.exit_code == 0
    assert "dev-chat/qwen: removed" in done.stdout.splitlines()
    assert "to confirm:" not in done.stdout


def test_what_could_not_be_read_is_said_and_deployed_only_if_somebody_agrees(updated: World) -> None:
    updated.readable = False
    done = updated.run(answer="n\n")
    assert (done.exit_code, updated.events) == (1, ["synth"])
    assert done.stderr.splitlines()[:2] == [
        "cloudformation:GetTemplate: not allowed",
        "deploy: what changes is not known, since the deployed stacks could not be read",
    ]
    assert updated.run("--yes").exit_code == 0


def test_nobody_is_asked_when_nothing_goes_and_nothing_costs_more(updated: World) -> None:
    updated.serving["Serving-chat"]["Qwen"] = component("dev-chat-qwen")
    done = updated.run()
    assert done.exit_code == 0, done.output
    assert "nothing changes" in done.stdout.splitlines()
    assert "to confirm:" not in done.stdout


def subnet(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": "vpc-1", "CidrBlock": "10.64.0.0/17", **properties}}


@pytest.fixture
def networked(world: World) -> World:
    """A world whose deployed endpoint is in the foundation's network, and leaves it with the next deployment."""
    ids = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/ids", "Value": {"Ref": "One"}}}
    for name, resources in (("foundation", {"One": subnet(), "Ids": ids}), ("serving-chat", {"Chat": CHAT})):
        full = f"cdk-sglang-dev-{name}"
        parameters = {"Ids": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/ids"}}
        template = {"Resources": resources, "Parameters": parameters if name != "foundation" else {}}
        world.deployed.append(Stack(id=full, name=full, region="us-east-1", template=template))
    world.serving["Serving-chat"] = {"Chat": CHAT}
    return world


def test_endpoints_leave_a_network_before_the_foundation_removes_it(networked: World) -> None:
    done = networked.run("--yes")
    assert done.exit_code == 0, done.output
    assert networked.events == ["synth", "deploy Serving-chat", "deploy Foundation"]
    networked.events.clear()
    alone = networked.run("--yes", "--step", "foundation")
    assert (alone.exit_code, networked.events) == (2, ["synth"])
    assert alone.stderr == (
        "deploy: fleet before foundation: cdk-sglang-dev-serving-chat must leave the network that the foundation removes; "
        "deploy it first, without --step; nothing was deployed\n"
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_what_aws_refuses_ends_it_before_anything_is_changed(networked: World, terminal: bool) -> None:
    networked.serving["Foundation"] = {"One": subnet(AvailabilityZone="us-east-1c")}
    networked.terminal = terminal
    done = networked.run("--yes")
    assert (done.exit_code, networked.events) == (2, ["synth"])
    assert "AWS refuses a second one with CidrBlock 10.64.0.0/17" in " ".join(done.stdout.split())
    assert done.stderr == "deploy: AWS would refuse this or leave parts of it behind, see above; nothing was deployed\n"


# --- looking at what is there -----------------------------------------------------------------------------------------

ADAPTER = Weights(stack="chat", bucket_parameter="/cdk-sglang/dev/weights-bucket", key="adapters/triage-v3.tar.gz")
MODEL = Weights(stack="chat", bucket_parameter="/cdk-sglang/dev/weights-bucket", key=LLAMA)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield lambda name: boto3.client(name, region_name="us-east-1")


@pytest.fixture
def foundation(aws: Any) -> Any:
    aws("s3").create_bucket(Bucket="the-bucket")
    aws("ssm").put_parameter(Name=ADAPTER.bucket_parameter, Value="the-bucket", Type="String")
    return aws("s3")


def test_an_adapters_archive_is_there_or_not(foundation: Any) -> None:
    bucket = weights_wait.Bucket("us-east-1")
    assert bucket.place(ADAPTER) == "s3://the-bucket/adapters/triage-v3.tar.gz"
    assert bucket.problems(ADAPTER) == ("is not there",)
    assert weights_wait.command_for(ADAPTER, bucket.place(ADAPTER)) == (
        "aws s3 cp ./triage-v3.tar.gz s3://the-bucket/adapters/triage-v3.tar.gz"
    )
    foundation.put_object(Bucket="the-bucket", Key=ADAPTER.key, Body=b"archive")
    assert bucket.problems(ADAPTER) == ()


def test_weights_before_the_foundation_are_one_line_and_exit_code_1(
    aws: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as left:
        weights_wait.Bucket("us-east-1").place(MODEL)
    assert left.value.exit_code == 1
    assert capsys.readouterr().err == (
        "weights: the foundation is not deployed: there is no SSM parameter /cdk-sglang/dev/weights-bucket in us-east-1; "
        "deploy it first, without --step or with --step foundation\n"
    )


def test_what_cannot_be_looked_at_is_not_waited_for(
    foundation: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    event = {
        "event": "error",
        "message": "AWS: An error occurred (AccessDenied) when calling the ListObjectsV2 operation: no",
    }

    def program(*_: object, **__: object) -> Any:
        line = f"print({json.dumps(json.dumps(event))}); raise SystemExit(1)"
        return subprocess.Popen([sys.executable, "-c", line], stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(weights, "_start", program)
    with pytest.raises(typer.Exit) as left:
        weights_wait.Bucket("us-east-1").problems(MODEL)
    assert left.value.exit_code == 1
    assert capsys.readouterr().err == (
        "weights: s3://the-bucket/weights/llama/ could not be read: An error occurred (AccessDenied) when calling the "
        "ListObjectsV2 operation: no; the same command continues from here\n"
    )


# --- what a stack needs -----------------------------------------------------------------------------------------------


def needed(folder: Path, **resources: Any) -> list[str]:
    write_assembly(folder, {"Serving-chat": resources})
    return [one.key for stack in read_assembly(folder) for one in stack.weights()]


def test_models_and_adapters_of_the_environments_bucket_are_needed(tmp_path: Path) -> None:
    found = needed(
        tmp_path, Check=check_of(model(LLAMA), model(QWEN)), Adapter=adapter(in_bucket("adapters/triage-v3.tar.gz"))
    )
    assert found == [LLAMA, QWEN, "adapters/triage-v3.tar.gz"]


def test_what_lies_elsewhere_or_comes_with_the_deployment_is_not_waited_for(tmp_path: Path) -> None:
    other = '{"bucket": "theirs", "prefix": "llama/"}'
    asset = {"Fn::Sub": "s3://cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}/abc.tar.gz"}
    uri = {"Fn::Join": ["", ["s3://", {"Ref": "Made"}, "/adapter.tar.gz"]]}
    literal = adapter("s3://theirs/adapter.tar.gz")
    base = {"Type": "AWS::SageMaker::InferenceComponent", "Properties": {"Specification": {"ModelName": "m"}}}
    resources = {"Check": check_of(other), "A": adapter(asset), "B": adapter(uri), "C": literal, "D": base}
    assert needed(tmp_path, **resources) == []


def test_models_of_hugging_face_are_said_to_come_with_the_fleet(world: World) -> None:
    world.serving = {"Serving-chat": {"CdkSglangStagingProject1234": {"Type": "AWS::CodeBuild::Project"}}}
    done = world.run("--step", "weights")
    assert done.stdout.splitlines() == [
        "weights: models of Hugging Face are copied while cdk-sglang-dev-serving-chat is deployed",
        "weights: nothing else to wait for",
    ]


def test_a_folder_without_an_assembly_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no cloud assembly"):
        read_assembly(tmp_path)


def test_the_app_runs_with_the_python_of_the_command_wherever_path_leads(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert synth.run_cdk(["/bin/sh", "-c", "command -v python"]) == 0
    assert capfd.readouterr().out == f"{sys.prefix}/bin/python\n"
