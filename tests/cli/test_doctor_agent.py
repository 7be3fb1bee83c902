"""`cdk-sglang doctor` for the optional agent, tokens of gated models, and a bootstrap of another qualifier."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest

from cdk_sglang.cli.doctor import agent as agent_checks
from cdk_sglang.cli.doctor import weights as weights_checks
from cdk_sglang.cli.doctor.https import Answer, not_reached
from cdk_sglang.cli.doctor.run import run_checks
from cdk_sglang.environments.account_needs import AgentNeeds, Needs
from localcloud.aws import faults
from tests.localcloud.agents import runtime
from tests.localcloud.helpers import eventually
from tests.support.doctor import ACCOUNT, ASSETS, EVERYTHING, EXECUTION_ROLE, World

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:scheduler"
AGENT = f"""
agent:
  enabled: true
  component: chat/llama
  policy: enforce
  memory: {{enabled: true}}
  tools: {{reference: false, own: {{plan: {{function_arn: "{FUNCTION}", schema: plan.json}}}}}}
"""
MADE = ", ".join(
    f"bedrock-agentcore:{name}"
    for name in (
        "CreateAgentRuntime",
        "CreateGateway",
        "CreateGatewayTarget",
        "CreateMemory",
        "CreatePolicyEngine",
        "InvokeGateway",
    )
)
LINES = {"agent: Region", "agent: names", "agent: quota of runtimes", "agent: function scheduler"}
PROVIDER = "https://id.example.com/.well-known/openid-configuration"
QWEN, TOKEN = "Qwen/Qwen3-8B", "token: Qwen/Qwen3-8B"


@pytest.fixture
def world(ready: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(weights_checks, "problems_below", lambda *_, **__: ())
    return ready


@pytest.fixture
def with_agent(world: World) -> World:
    """A world whose environment has an agent, and an account that has what it needs."""
    path = world.folder / "prod.yaml"
    text = path.read_text().replace(
        "server: {context_length: 16384}", "server: {context_length: 16384, tool_call_parser: llama3}", 1
    )
    path.write_text(text + AGENT)
    role = world.client("iam").create_role(RoleName="tools", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    world.client("lambda").create_function(
        FunctionName="scheduler",
        Runtime="python3.12",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": _package()},
    )
    return world


def _package() -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): ...")
    return buffer.getvalue()


def runtime_of_others(world: World) -> None:
    cloudformation = world.client("cloudformation")
    template = {"Resources": {"Agent": runtime(AgentRuntimeName="prod_agent")}}
    cloudformation.create_stack(StackName="theirs", TemplateBody=json.dumps(template))
    eventually(
        lambda: cloudformation.describe_stacks(StackName="theirs")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    )


def no_function(world: World) -> None:
    world.client("lambda").delete_function(FunctionName="scheduler")


def no_agents(_: World) -> None:
    faults.inject("agent-quota-zero")


def may_not_create_runtimes(world: World) -> None:
    world.allow(EVERYTHING, {"Effect": "Deny", "Action": "bedrock-agentcore:*", "Resource": "*"})


WRONGS: list[tuple[Callable[[World], None], str, str]] = [
    (runtime_of_others, "agent: names", "there is runtime prod_agent already, which is not of stack cdk-sglang-prod-agent"),
    (no_function, "agent: function scheduler", f"there is no function {FUNCTION}"),
    (no_agents, "agent: quota of runtimes", "is 0: 1 here, 0 others are there"),
    (may_not_create_runtimes, "permissions: CloudFormation", f"may not: {MADE}"),
]  # fmt: skip


def test_an_agents_needs_are_lines_of_their_own_and_ok(with_agent: World) -> None:
    found = with_agent.findings()
    assert {name: one["text"] for name, one in found.items() if one["outcome"] != "ok"} == {}
    assert set(found) >= LINES
    assert (
        found["agent: Region"]["text"]
        == "AgentCore answers in us-east-1, and has runtime, memory, policy there by AWS's list"
    )


@pytest.mark.parametrize("wrong", WRONGS, ids=[one[0].__name__ for one in WRONGS])
def test_one_wrong_of_an_agent_is_one_line(with_agent: World, wrong: tuple[Callable[[World], None], str, str]) -> None:
    breaks, name, text = wrong
    breaks(with_agent)
    others = with_agent.others()
    assert {one: found["outcome"] for one, found in others.items()} == {name: "failure"}
    assert text in others[name]["text"]
    assert others[name]["next_step"]


def test_a_region_without_agentcore_is_found_where_the_file_names_none(
    with_agent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_agent.folder / "prod.yaml"
    path.write_text(path.read_text().replace("region: us-east-1\n", ""))
    monkeypatch.setenv("AWS_REGION", "us-west-1")
    others = with_agent.others()
    assert others["agent: Region"]["outcome"] == "failure"
    assert "us-west-1" in others["agent: Region"]["text"]


@pytest.mark.parametrize(
    ("status", "content", "outcome", "text"),
    [
        (200, {"issuer": "https://id.example.com", "jwks_uri": "https://id.example.com/keys"}, "ok", "https://id.example.com describes itself"),
        (200, {"issuer": "https://id.example.com"}, "failure", f"{PROVIDER} answers 200, without jwks_uri"),
        (400, {}, "failure", f"{PROVIDER} answers 400, without a description"),
        (None, {}, "could not check", "id.example.com was not reached: offline"),
    ],
)  # fmt: skip
def test_the_provider_of_an_agents_callers_is_asked_for_its_description(
    monkeypatch: pytest.MonkeyPatch, status: int | None, content: dict[str, Any], outcome: str, text: str
) -> None:
    def ask(url: str) -> Answer:
        if status is None:
            raise not_reached(url, OSError("offline"))
        return Answer(status=status, code="", content=content)

    monkeypatch.setattr(agent_checks, "ask", ask)
    needs = SimpleNamespace(
        agent=AgentNeeds(stack_name="s", runtime_name="prod_agent", discovery_url=PROVIDER), network=None
    )
    checks = [one for one in agent_checks.checks(cast("Needs", needs), Mock()) if one.name == "agent: sign-in"]
    (result,) = run_checks(checks)
    assert (result.finding.outcome, result.finding.text) == (outcome, text)


# --- tokens -----------------------------------------------------------------------------------------------------------


def tried(world: World) -> dict[str, Any]:
    content = json.loads(world.run("--json", "--try-tokens").stdout)
    return next(one for one in content["checks"] if one["name"] == TOKEN)


def test_tokens_are_tried_only_if_somebody_says_so(world: World) -> None:
    world.hub.models[QWEN].gated = True
    assert TOKEN not in world.findings()
    world.hub.tokens["hf_never_read"] = {QWEN}
    assert tried(world)["outcome"] == "ok"
    assert world.hub.leaked_tokens == []


@pytest.mark.parametrize(
    ("known", "narrow", "gated", "text"),
    [
        (False, False, True, "does not accept the token of hub-token (401)"),
        (True, False, True, "the account of the token in hub-token has no access to the gated model (403)"),
        (True, True, False, "is good, and may not read this model (403)"),
    ],
)
def test_refusals_of_a_token_are_told_apart(world: World, known: bool, narrow: bool, gated: bool, text: str) -> None:
    world.hub.models[QWEN].gated = gated
    if known:
        world.hub.tokens["hf_never_read"] = set()
    if narrow:
        world.hub.narrow_tokens.add("hf_never_read")
    found = tried(world)
    assert (found["outcome"], text in found["text"]) == ("failure", True), found
    assert found["next_step"]
    assert "hf_never_read" not in json.dumps(found)


def test_a_token_that_may_not_be_read_or_is_none_could_not_be_tried(world: World) -> None:
    world.client("secretsmanager").put_secret_value(SecretId="hub-token", SecretString='{"other": "x"}')
    assert tried(world)["outcome"] == "could not check"
    faults.inject("access-denied", target="secretsmanager:GetSecretValue")
    found = tried(world)
    assert (found["outcome"], found["text"]) == ("could not check", "secretsmanager:GetSecretValue is denied")


# --- a bootstrap of another qualifier -----------------------------------------------------------------------------------


def test_the_bootstrap_of_cdk_jsons_qualifier_is_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.folder / "cdk.json").write_text('{"context": {"@aws-cdk/core:bootstrapQualifier": "ours"}}')
    monkeypatch.chdir(world.folder)
    found = world.others()
    assert found["bootstrap"]["text"].endswith("there is no SSM parameter /cdk-bootstrap/ours/version")
    assert found["bootstrap"]["next_step"] == (
        "run: cdk bootstrap -c env=prod --qualifier ours --toolkit-stack-name CDKToolkit-ours"
    )
    assert f"cdk-ours-cfn-exec-role-{ACCOUNT}" in found["permissions: CloudFormation"]["text"]

    world.client("ssm").put_parameter(Name="/cdk-bootstrap/ours/version", Value="30", Type="String")
    name = EXECUTION_ROLE.replace("hnb659fds", "ours")
    iam = world.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [EVERYTHING]})
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
    found = world.others()
    assert list(found) == ["bootstrap: bucket"]
    bucket = ASSETS.replace("hnb659fds", "ours")
    assert found["bootstrap: bucket"]["text"] == (
        f"us-east-1 is bootstrapped, and its bucket {bucket} is not there: nothing can be uploaded"
    )
    world.client("s3").create_bucket(Bucket=bucket)
    assert world.others() == {}
    assert world.findings()["bootstrap"]["text"].startswith("bootstrap version 30 of qualifier ours;")
